#!/usr/bin/env bash
# Unpacks real servers and peers from Debian packages into a private folder: nothing is installed, no root needed.
#   get.sh DEST NAME...     NAME: prometheus promtool node_exporter alertmanager victoriametrics nats influxdb carbon collectd netdata chromium journald otelcol
# Prints one line a server: NAME<TAB>PATH of its main program. Idempotent; about 10 s for most, 3-4 min for otelcol (252 library packages, a Go build).
set -euo pipefail
dest=$(realpath -m "$1"); shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$dest/deb"
# One of these scripts at a time.
exec 9>"$dest/.lock"
flock 9

# Two private package indexes: `own` is what this machine's apt knows, `sid` adds Debian's newest suite from the machine's own mirror (no host is written down here).
index() {
  local root=$dest/apt-$1; shift
  mkdir -p "$root/lists/partial" "$root/archives/partial"
  apt=(apt-get -qq -o "Dir::State::Lists=$root/lists" -o "Dir::Cache=$root" -o "Dir::Cache::archives=$root/archives" -o Debug::NoLocking=1 -o APT::Install-Recommends=0 "$@")
  # Of last week's packages the mirror may have given some up.
  [ -n "$(find "$root/updated" -mtime -1 2>/dev/null)" ] || { "${apt[@]}" update; touch "$root/updated"; }
}
choose() {
  if [ "$1" = own ]; then index own; return; fi
  local mirror
  mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || { echo "get.sh: no Debian mirror in /etc/apt" >&2; exit 1; }
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$dest/sid.list"
  index sid -o "Dir::Etc::SourceList=$dest/sid.list" -o Dir::Etc::SourceParts=/dev/null -o APT::Default-Release=sid
}

# What every Debian has: apt is told that nothing else is installed here, so that the same files are unpacked on every machine. (Part of a program that this
# machine has in its own folders would else be missing in ours: Chromium looks for its data beside itself alone.)
base_status() {
  dpkg-query -W -f '${Essential} ${Priority} ${Package}\n' | awk '$1 == "yes" || $(NF - 1) == "required" { print $NF }' |
    xargs apt-cache depends --installed --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances |
    sed -n 's/^\([a-z0-9][^ :]*\).*/\1/p' | sort -u >"$1/.base"
  awk -v RS= -v ORS='\n\n' 'NR == FNR { split($0, names, "\n"); for (i in names) base[names[i]]; next } { match($0, /^Package: [^\n]+/) }
    substr($0, 10, RLENGTH - 9) in base' "$1/.base" /var/lib/dpkg/status >"$1/.status"
}

# unpack INDEX FOLDER PACKAGE...: the packages with all they depend on beyond the base system, into DEST/FOLDER
unpack() {
  local root=$dest/$2 made
  # What another version of this script unpacked is unpacked anew: it may lack something.
  made=$({ declare -f index choose base_status unpack; echo "$*"; } | sha256sum)
  [ "$(cat "$root/.done" 2>/dev/null)" != "$made" ] || return 0
  rm -rf "$root"
  mkdir -p "$root"
  choose "$1"; shift 2
  base_status "$root"
  "${apt[@]}" -o "Dir::State::status=$root/.status" --print-uris -y --reinstall install "$@" >"$root/.plan" || { echo "get.sh: apt cannot plan $*" >&2; exit 1; }
  grep -oE "^'[^']+' [^ ]+" "$root/.plan" | tr -d "'" >"$root/.list"
  (cd "$dest/deb" && while read -r uri file; do [ -s "$file" ] || echo "$uri $file"; done <"$root/.list" |
    xargs -r -P 6 -n 2 sh -c 'curl -sSf --retry 3 -o "$1.part" "$0" && mv "$1.part" "$1"')
  while read -r _ file; do dpkg -x "$dest/deb/$file" "$root"; done <"$root/.list"
  echo "$made" >"$root/.done"
}
say() { [ -e "$dest/$2" ] || { echo "get.sh: $1: no $2 after unpacking" >&2; exit 1; }; printf '%s\t%s\n' "$1" "$dest/$2"; }

for name in "$@"; do
  case $name in
    prometheus) unpack sid prometheus prometheus; say prometheus prometheus/usr/bin/prometheus ;;
    alertmanager) unpack sid alertmanager prometheus-alertmanager; say alertmanager alertmanager/usr/bin/prometheus-alertmanager ;;
    promtool) unpack sid promtool promtool; say promtool promtool/usr/bin/promtool ;;
    node_exporter) unpack sid node_exporter prometheus-node-exporter; say node_exporter node_exporter/usr/bin/prometheus-node-exporter ;;
    victoriametrics) unpack sid victoriametrics victoria-metrics; say victoriametrics victoriametrics/usr/bin/victoria-metrics; say vmagent victoriametrics/usr/bin/vmagent ;;
    nats) unpack sid nats nats-server; say nats nats/usr/sbin/nats-server ;;
    influxdb) unpack own influxdb influxdb influxdb-client; say influxdb influxdb/usr/bin/influxd ;;
    carbon) unpack own carbon graphite-carbon; say carbon carbon/usr/bin/carbon-cache ;;
    collectd) unpack own collectd collectd-core; say collectd collectd/usr/sbin/collectd ;;
    netdata) unpack own netdata netdata-core netdata-plugins-bash; say netdata netdata/usr/sbin/netdata ;;
    chromium)
      unpack own chromium chromium
      # Its libraries and fonts are looked for in the system's folders, which on a machine without a desktop have none of them.
      mkdir -p "$dest/bin"
      printf '<?xml version="1.0"?><fontconfig><dir>/usr/share/fonts</dir><dir>%s</dir><cachedir>%s</cachedir></fontconfig>\n' \
        "$dest/chromium/usr/share/fonts" "$dest/chromium/fontcache" >"$dest/bin/chromium-fonts.conf"
      libraries=$(find "$dest/chromium" -path '*/lib/*' -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
      printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s FONTCONFIG_FILE=%s\nexec %s "$@"\n' \
        "$libraries" "$dest/bin/chromium-fonts.conf" "$dest/chromium/usr/lib/chromium/chromium" >"$dest/bin/chromium"
      chmod +x "$dest/bin/chromium"
      say chromium bin/chromium ;;
    journald) unpack own systemd systemd; say journald systemd/lib/systemd/systemd-journald; say journalctl systemd/bin/journalctl ;;
    otelcol)
      made=$(cat "$here"/otelcol/* | sha256sum)
      if [ "$(cat "$dest/bin/otelcol.made" 2>/dev/null)" != "$made" ]; then
        unpack sid go golang-1.27-go
        unpack sid gocode golang-opentelemetry-collector-dev
        mkdir -p "$dest/bin" "$dest/gocache"
        (cd "$here/otelcol" && env GOROOT="$dest/go/usr/lib/go-1.27" GOTOOLCHAIN=local GO111MODULE=off GOFLAGS= GOPROXY=off GOTELEMETRY=off CGO_ENABLED=0 \
          GOPATH="$dest/gocode/usr/share/gocode" GOCACHE="$dest/gocache" HOME="$dest" "$dest/go/usr/lib/go-1.27/bin/go" build -o "$dest/bin/otelcol" .)
        echo "$made" >"$dest/bin/otelcol.made"
      fi
      say otelcol bin/otelcol ;;
    *) echo "get.sh: unknown name '$name'" >&2; exit 1 ;;
  esac
done
