# Start the program from this checkout: powershell -ExecutionPolicy Bypass -File packaging\run.ps1 [ARGUMENTS]
# Makes its own virtual environment once; needs Python 3.11, 3.12 or 3.13 and nothing else.
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'lib\find_python.ps1')
& $python[0] @($python | Select-Object -Skip 1) -B (Join-Path $PSScriptRoot 'lib\launch.py') @args
exit $LASTEXITCODE
