# Trains, generates, tests, or opens the notebooks, from the sources: run.ps1 train|generate|test|notebook [arguments of that command]
param(
    [Parameter(Mandatory = $true, Position = 0)]
    [ValidateSet('train', 'generate', 'test', 'notebook')]
    [string] $Task,
    [Parameter(ValueFromRemainingArguments = $true)]
    [string[]] $Arguments
)
$ErrorActionPreference = 'Stop'
Push-Location (Join-Path $PSScriptRoot '../..')
try {
    switch ($Task) {
        'test' { & cargo test --release --workspace --features full --locked @Arguments }
        'notebook' {
            $venv = if ($env:EBT_VENV) { $env:EBT_VENV } else { Join-Path 'target' 'notebooks' }
            $bin = if ($IsLinux -or $IsMacOS) { 'bin' } else { 'Scripts' }
            $python = Join-Path (Join-Path $venv $bin) 'python'
            if (-not (Get-Command $python -ErrorAction SilentlyContinue)) { & python -m venv $venv }
            & $python -m pip install --quiet './core/embed/python[notebooks]' jupyterlab
            if ($LASTEXITCODE -eq 0) { & $python -m jupyter lab --notebook-dir core/embed/python/notebooks @Arguments }
        }
        default { & cargo run --release --locked --bin ebt -- $Task @Arguments }
    }
    exit $LASTEXITCODE
}
finally {
    Pop-Location
}
