#!/usr/bin/env bash
# Updates go.mod and go.sum of the command's module. `go mod tidy` has to find the version of the root module that go.mod
# requires, which may not be published yet, so it gets this checkout as that version.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(cd cmd/alarmtriage && go mod edit -json | grep -A1 '"Path": "github.com/cloudwatch-alarm-triage/alarmtriage"' | sed -n 's/.*"Version": "\(.*\)".*/\1/p')
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
go run ./local/modproxy/write "$directory/proxy" "$version"
# A module cache of its own: the version must not stay in the usual one.
cache=$(go env GOMODCACHE)
cd cmd/alarmtriage
GOWORK=off GOFLAGS=-modcacherw GOMODCACHE="$directory/cache" GONOSUMDB=github.com/cloudwatch-alarm-triage/* \
  GOPROXY="file://$directory/proxy,file://$cache/cache/download,$(go env GOPROXY)" go mod tidy
# A release has other contents than this checkout, so its checksum is not known yet.
sed -i.old '\#^github.com/cloudwatch-alarm-triage/alarmtriage v#d' go.sum && rm go.sum.old
