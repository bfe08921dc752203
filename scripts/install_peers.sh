#!/usr/bin/env bash
# Install the real peers of the tests and the bench: Debian's Chromium, CTN and the MariaDB that it needs, CUPS, DCMTK,
# HAProxy, Orthanc with DICOMweb, PostgreSQL, dicom3tools, Prometheus and rsyslog, the C compiler that makes the faulty disk of
# tests/attacks, and below node_modules Azurite, clients of DICOM and DICOMweb, and axe-core.
# Without apt, npm, or the right to use them, say which command installs them; the tests that need one then skip.
set -euo pipefail
cd "$(dirname "$0")/.."

debian_packages=(
    chromium ctn cups-client cups-daemon dcmtk dicom3tools gcc haproxy libc6-dev mariadb-client-core mariadb-server-core
    orthanc orthanc-dicomweb postgresql prometheus rsyslog rsyslog-gnutls
)
npm_packages=(axe-core@4.10.3 azurite@3.35.0 dcmjs-dimse@0.3.3 dicomweb-client@0.11.3 oidc-provider@8.8.1 xhr2@0.2.1)

install_debian_packages() {
    local package missing=() as_root=()
    for package in "${debian_packages[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return

    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        echo "peers missing, their tests are skipped; install them with: sudo apt-get install ${missing[*]}" >&2
        return
    fi

    install() {
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    }
    # The package lists may be old or not there yet: then fetch them and try once more.
    install 2>/dev/null || { "${as_root[@]}" apt-get update -qq && install; }

    # Debian starts these as services, on ports that are others' here; the tests start their own.
    declare -A services=(
        [cups-daemon]="cups.socket cups.path cups.service" [haproxy]=haproxy [orthanc]=orthanc [postgresql]=postgresql
        [prometheus]=prometheus [rsyslog]=rsyslog
    )
    for package in "${missing[@]}"; do
        if [ -n "${services[$package]:-}" ] && command -v systemctl >/dev/null; then
            # shellcheck disable=SC2086 # several words
            "${as_root[@]}" systemctl disable --now ${services[$package]} >/dev/null 2>&1 || true
        fi
    done
}

install_npm_packages() {
    local package
    for package in "${npm_packages[@]}"; do
        if ! grep -qs "\"version\": \"${package#*@}\"" "node_modules/${package%@*}/package.json"; then
            npm install --prefix . --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --silent \
                "${npm_packages[@]}" || echo "npm packages missing, their tests are skipped; install them with:" \
                "npm install --prefix . --no-save ${npm_packages[*]}" >&2
            return
        fi
    done
}

install_debian_packages
if command -v npm >/dev/null; then
    install_npm_packages
else
    echo "npm missing, its tests are skipped; install it with: sudo apt-get install nodejs npm" >&2
fi
