#!/usr/bin/env bash
# Install the real peers of the tests and the bench, Debian's DCMTK, Orthanc with DICOMweb and dicom3tools, and the C
# compiler that makes the faulty disk of tests/attacks.
# Without apt, or without the right to use it, say which command installs them; the tests that need one then skip.
set -euo pipefail

packages=(dcmtk dicom3tools gcc libc6-dev orthanc orthanc-dicomweb)

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "peers missing, their tests are skipped; install them with: sudo apt-get install ${missing[*]}" >&2
    exit 0
fi

install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
# The package lists may be old or not there yet: then fetch them and try once more.
install 2>/dev/null || { "${as_root[@]}" apt-get update -qq && install; }

# Debian starts Orthanc as a service, on the port that archimage's HTTP side uses; the tests start their own.
if [[ " ${missing[*]} " == *" orthanc "* ]] && command -v systemctl >/dev/null; then
    "${as_root[@]}" systemctl disable --now orthanc >/dev/null 2>&1 || true
fi
