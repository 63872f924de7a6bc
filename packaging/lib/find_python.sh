# Sets $python to a Python that can run the program, or says what to install and ends with 2.
# ETIKET_GUI_PYTHON names one to be used instead.
unset PYTHONSAFEPATH PYTHONHOME
python=
for candidate in "${ETIKET_GUI_PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$candidate" ] || continue
    found=$(command -v "$candidate" 2>/dev/null) || continue
    if "$found" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
        python=$found
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11, 3.12 or 3.13 is needed and none was found. On Debian and Ubuntu:" >&2
    if [ "$(id -u)" = 0 ]; then
        echo "    apt-get update && apt-get install -y python3.11" >&2
    else
        echo "    sudo apt-get update && sudo apt-get install -y python3.11" >&2
    fi
    echo "Another one can be named with ETIKET_GUI_PYTHON=/path/to/python3." >&2
    exit 2
fi
