#!/usr/bin/env bash
# Writes the files of a release into a directory: release.sh v0.1.0 dist
# The first argument is a tag, or any other commit. The third one is the processor architecture of the functions: arm64, which
# is the default, or x86_64.
set -euo pipefail
version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
# The command must be built with the library of the same release.
if [[ $version == v* ]] && ! grep -q "alarmtriage/alarmtriage $version\$" cmd/alarmtriage/go.mod; then
  echo "cmd/alarmtriage/go.mod does not require version $version of the root module: run scripts/tidy_command.sh $version" >&2
  exit 1
fi
git archive --format=zip --prefix="alarmtriage-$version/" --output="$out/alarmtriage-$version.zip" "$version"
mkdir -p .build
(cd tools && go build -o ../.build/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)
.build/cyclonedx-gomod mod -json -licenses -output "$out/alarmtriage-$version.cdx.json" .
# The modules of the command are those of the program. The root module is that of this checkout, which has no version yet.
(cd cmd/alarmtriage && go build -trimpath -o ../../.build/alarmtriage .)
.build/cyclonedx-gomod bin -json -licenses -version "$version" -output "$out/alarmtriage-$version-command.cdx.json" .build/alarmtriage
sed -i.old -e "s/(devel)/$version/g" -e "s/%28devel%29/$version/g" "$out/alarmtriage-$version-command.cdx.json"
rm "$out/alarmtriage-$version-command.cdx.json.old"
CDK_VALIDATION=false go run ./template -out "$out" -version "$version" -arch "${3:-arm64}" # the tests validate the template
(cd "$out" && sha256sum alarmtriage-* > SHA256SUMS)
