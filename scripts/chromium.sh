#!/usr/bin/env bash
# Prints the path of Chromium or Chrome for the browser tests. If there is none, it installs Chromium with the
# system's package manager, as root or with a sudo that asks for no password. If that is not possible, it
# prints what to install and fails.
set -euo pipefail

find_browser() {
  if [ -n "${ALARMTRIAGE_CHROMIUM:-}" ]; then
    echo "$ALARMTRIAGE_CHROMIUM"
    return
  fi
  for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    command -v "$name" && return
  done
  for path in "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
    [ -x "$path" ] && echo "$path" && return
  done
  return 1
}

give_up() {
  {
    echo "The browser tests need Chromium or Google Chrome, and $1."
    echo "Install it, for example with one of"
    echo "  apt-get install chromium        (Debian)"
    echo "  snap install chromium           (Ubuntu)"
    echo "  dnf install chromium            (Fedora)"
    echo "  brew install --cask chromium    (macOS)"
    echo "or set ALARMTRIAGE_CHROMIUM to the path of one that is installed elsewhere."
  } >&2
  exit 1
}

# run_as_root runs a package manager and sends its output to stderr, because stdout is the path.
run_as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@" >&2
  else
    sudo -n "$@" >&2
  fi
}

install_browser() {
  if command -v brew >/dev/null; then
    echo "installing Chromium with brew" >&2
    brew install --quiet --cask chromium >&2 || give_up "brew could not install it"
    return
  fi
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || give_up "installing it requires root privileges"
  if command -v apt-get >/dev/null; then
    echo "installing Chromium with apt-get" >&2
    run_as_root apt-get -qq update || true
    run_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core ||
      give_up "apt-get could not install it"
  elif command -v dnf >/dev/null; then
    echo "installing Chromium with dnf" >&2
    run_as_root dnf -q -y install chromium dejavu-sans-fonts || give_up "dnf could not install it"
  elif command -v apk >/dev/null; then
    echo "installing Chromium with apk" >&2
    run_as_root apk add --quiet chromium font-dejavu || give_up "apk could not install it"
  else
    give_up "this system has no package manager that this script knows"
  fi
}

if ! find_browser; then
  install_browser
  find_browser || give_up "it cannot be found after installing it"
fi
