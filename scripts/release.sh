#!/usr/bin/env bash
# Writes the files of a release into a directory: release.sh v0.1.0 dist
# The argument is a tag, or any other commit.
set -euo pipefail
version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
git archive --format=zip --prefix="alarmtriage-$version/" --output="$out/alarmtriage-$version.zip" "$version"
mkdir -p .build
(cd tools && go build -o ../.build/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)
.build/cyclonedx-gomod mod -json -licenses -output "$out/alarmtriage-$version.cdx.json" .
(cd "$out" && sha256sum alarmtriage-* > SHA256SUMS)
