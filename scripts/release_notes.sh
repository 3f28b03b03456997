#!/usr/bin/env bash
# Prints the notes of a version, which are its section in the changelog: release_notes.sh v0.1.0 [CHANGELOG.md]
# It fails if the section is missing, empty, or not dated. A section begins with "## 0.1.0 (2026-12-01)".
set -euo pipefail
version=${1#v}
changelog=${2:-$(dirname "$0")/../CHANGELOG.md}
awk -v version="$version" '
  /^## / {
    inside = ($2 == version)
    if (inside && $3 !~ /^\([0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]\)$/) {
      print "the section of " version " has no date, such as (2026-12-01): " $0 > "/dev/stderr"
      failed = 1
    }
    next
  }
  inside && (NF > 0 || printed) { print; printed = 1 }
  END {
    if (!printed) print "the changelog has no section ## " version " (DATE), or it is empty" > "/dev/stderr"
    exit failed || !printed
  }
' "$changelog"
