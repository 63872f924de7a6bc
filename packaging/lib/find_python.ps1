# Sets $python (a command and its arguments) to a Python that can run the program, or says what to install.
# ETIKET_GUI_PYTHON names one to be used instead.
$python = $null
$candidates = @()
if ($env:ETIKET_GUI_PYTHON) { $candidates += , @($env:ETIKET_GUI_PYTHON) }
$candidates += , @('py', '-3.11')
$candidates += , @('py', '-3.12')
$candidates += , @('py', '-3.13')
$candidates += , @('python3')
$candidates += , @('python')
foreach ($candidate in $candidates) {
    if (-not (Get-Command $candidate[0] -ErrorAction SilentlyContinue)) { continue }
    $previous = $ErrorActionPreference
    $ErrorActionPreference = 'Continue'
    & $candidate[0] @($candidate | Select-Object -Skip 1) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>$null
    $ErrorActionPreference = $previous
    if ($LASTEXITCODE -eq 0) { $python = $candidate; break }
}
if ($null -eq $python) {
    [Console]::Error.WriteLine('Python 3.11, 3.12 or 3.13 is needed and none was found. Install one with:')
    [Console]::Error.WriteLine('    winget install Python.Python.3.11')
    [Console]::Error.WriteLine('Another one can be named with ETIKET_GUI_PYTHON.')
    exit 2
}
$python = @($python)
