#!/usr/bin/env bash
# The path of a Python of version $1 ("3.12") on this machine; nothing where it is absent. Shims of pyenv answer for versions that
# are installed but not chosen: ask each candidate what it is.
for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python "$(command -v "python$1" || true)"; do
  if [ -n "$candidate" ] && [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
    echo "$candidate"; exit
  fi
done
