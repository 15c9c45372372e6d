#!/usr/bin/env bash
# Makes a release in dist/: for each platform an archive of the static programs, each with an SBOM of what was linked into it,
# and SHA256SUMS of the archives. `make release` calls it.
#
# Who builds the same commit with the same Go gets the same bytes: no paths (-trimpath), no time but the commit's, names in
# one order, files of nobody.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${VERSION:?call it by make release}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
: "${PLATFORMS:=linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}"
# name=directory: what is built, each directory inside a module of its own.
: "${PROGRAMS:=slotq-api=api slotq-worker=worker slotq-manager=manager}"
SBOM=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

# Each module with the versions that its own go.mod names, as the images have them.
export GOWORK=off CGO_ENABLED=0
rm -rf dist
mkdir -p dist
GOBIN=$PWD/dist/tools go install -trimpath "$SBOM"

for platform in $PLATFORMS; do
    os=${platform%/*} arch=${platform#*/}
    name=slotq-$VERSION-$os-$arch
    stage=dist/$name
    mkdir "$stage"
    for program in $PROGRAMS; do
        file=${program%%=*} directory=${program#*=}
        # A worker holds its subprocesses by what only Linux has; the others run wherever an operator or a developer sits.
        if [ "$file" = slotq-worker ] && [ "$os" != linux ]; then continue; fi
        # Not stamped with the state of the working tree: the version says it, and a copy without .git is the same source.
        GOOS=$os GOARCH=$arch go build -C "$directory" -trimpath -buildvcs=false \
            -ldflags "-s -w -X github.com/slotq/slotq/shared/service.version=$VERSION" -o "$PWD/$stage/$file" .
        dist/tools/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$VERSION" -output "$stage/$file.cdx.json" "$stage/$file"
    done
    cp LICENSE README.md "$stage/"
    if [ "$os" = linux ]; then cp -r deploy/systemd "$stage/"; fi
    # Programs for everybody to run, the rest to read, whatever the umask was.
    tar --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        -C dist -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
    rm -r "$stage"
    echo "release: dist/$name.tar.gz"
done
rm -r dist/tools
cd dist
sha256sum -- *.tar.gz >SHA256SUMS
echo "release: dist/SHA256SUMS"
