#!/usr/bin/env bash
# Updates go.mod and go.sum of the command's module: tidy_command.sh [VERSION]
# VERSION is the version of the root module that go.mod then requires; the default is the present one. It may not be published
# yet, so `go mod tidy` gets this checkout as that version.
set -euo pipefail
cd "$(dirname "$0")/.."
root=github.com/cloudwatch-alarm-triage/alarmtriage
version=${1:-$(sed -n "s#^\t$root \(v.*\)#\1#p" cmd/alarmtriage/go.mod)}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
go mod edit -require "$root@$version" cmd/alarmtriage/go.mod
sed -i.old "s#^replace $root v.* =>#replace $root $version =>#" cmd/alarmtriage/go.work && rm cmd/alarmtriage/go.work.old
go run ./local/modproxy/write "$directory/proxy" "$version"
# A module cache of its own: the version must not stay in the usual one.
cache=$(go env GOMODCACHE)
cd cmd/alarmtriage
GOWORK=off GOFLAGS=-modcacherw GOMODCACHE="$directory/cache" GONOSUMDB="$root,$root/*" \
  GOPROXY="file://$directory/proxy,file://$cache/cache/download,$(go env GOPROXY)" go mod tidy
# A release has other contents than this checkout, so its checksum is not known yet.
sed -i.old "\#^$root v#d" go.sum && rm go.sum.old
