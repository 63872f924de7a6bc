# Install like run.ps1 and run the tests: packaging\test.ps1 [--servers] [--oracles] [--desktop] [--full] [-- PYTEST ARGUMENTS]
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'lib\find_python.ps1')
& $python[0] @($python | Select-Object -Skip 1) -B (Join-Path $PSScriptRoot 'lib\suites.py') @args
exit $LASTEXITCODE
