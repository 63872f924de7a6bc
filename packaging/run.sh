#!/bin/sh
# Start the program from this checkout: sh packaging/run.sh [ARGUMENTS]
# Makes its own virtual environment once; needs Python 3.11, 3.12 or 3.13 and nothing else.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/lib/find_python.sh"
exec "$python" -B "$here/lib/launch.py" "$@"
