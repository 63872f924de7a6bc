#!/bin/sh
# Install like run.sh and run the tests: sh packaging/test.sh [--servers] [--oracles] [--desktop] [--full] [-- PYTEST ARGUMENTS]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/lib/find_python.sh"
exec "$python" -B "$here/lib/suites.py" "$@"
