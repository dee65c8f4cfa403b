#!/bin/sh
# Builds and installs after: the program, its configuration, the jobs folder, completions and manual pages.
#
#   ./install.sh [--prefix <folder>] [--uninstall]
#
# Without --prefix it takes the first of these that you may write to: /usr/local, /opt/homebrew (macOS), ~/.local.
# An existing config.json is never touched. --uninstall removes what was installed and keeps what you have changed or added.
#
# Variables: GO is the go command (go), PREFIX the same as --prefix.
#
# All of it is in functions called on the last line, so that a file cut short on its way runs nothing.
set -eu

say() { printf '%s\n' "$*"; }

die() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

usage() {
	say 'usage: ./install.sh [--prefix <folder>] [--uninstall]'
	say ''
	say '  --prefix <folder>  install below this folder: bin, etc/after, share'
	say '                     (default: the first of /usr/local, /opt/homebrew, ~/.local that you may write to)'
	say '  --uninstall        remove what was installed there; changed configuration and your jobs stay'
	say '  --help             show this'
}

# writable: whether the folder, or the nearest one above that exists, can be written to.
writable() {
	folder=$1
	while [ ! -e "$folder" ]; do
		folder=$(dirname "$folder")
	done
	[ -d "$folder" ] && [ -w "$folder" ]
}

default_prefix() {
	if writable /usr/local/bin && writable /usr/local/share && writable /usr/local/etc; then
		say /usr/local
	elif [ "$(uname -s)" = Darwin ] && [ -d /opt/homebrew ] && [ -w /opt/homebrew ]; then
		say /opt/homebrew
	elif [ -n "${HOME:-}" ]; then
		say "$HOME/.local"
	else
		die 'there is no usual place that can be written to: name one with --prefix'
	fi
}

# record <path below the prefix>: notes it for --uninstall.
record() { printf '%s\n' "$1" >>"$work/manifest"; }

# place <file> <path below the prefix> <mode>: puts a file in its place whole, so that a running program is not disturbed.
place() {
	mkdir -p "$prefix/$(dirname "$2")"
	cp "$1" "$prefix/$2.new"
	chmod "$3" "$prefix/$2.new"
	mv -f "$prefix/$2.new" "$prefix/$2"
	record "$2"
}

build() {
	command -v "$go" >/dev/null 2>&1 || die "Go is needed to build after, and there is no command \"$go\": see https://go.dev/dl"
	version=$(git -C "$source" describe --tags --always --dirty 2>/dev/null || echo dev)
	say "building after $version"
	(cd "$source" && CGO_ENABLED=0 "$go" build -buildvcs=false -trimpath -ldflags "-X github.com/adlayer/after/cli.version=$version" -o "$work/after" ./cmd/after) ||
		die 'the build failed'
}

install_all() {
	build
	: >"$work/manifest"
	place "$work/after" bin/after 755

	"$work/after" man "$work/man"
	for page in "$work"/man/*.1; do
		place "$page" "share/man/man1/$(basename "$page")" 644
	done
	"$work/after" completion bash >"$work/after.bash"
	"$work/after" completion zsh >"$work/_after"
	"$work/after" completion fish >"$work/after.fish"
	place "$work/after.bash" share/bash-completion/completions/after 644
	place "$work/_after" share/zsh/site-functions/_after 644
	place "$work/after.fish" share/fish/vendor_completions.d/after.fish 644

	# The folder of the jobs is beside the file, and named so: "jobs" is relative to it.
	mkdir -p "$prefix/etc/after/jobs"
	sed 's|"folder": "/usr/local/etc/after/jobs"|"folder": "jobs"|' "$source/config.json" >"$work/config.json"
	place "$work/config.json" share/after/config.json 644
	if [ -e "$prefix/etc/after/config.json" ]; then
		say "kept $prefix/etc/after/config.json, which was there already"
	else
		# Readable by all whose workers are to find it: passwords belong in a file of their own, couch.password_file.
		place "$work/config.json" etc/after/config.json 644
		sed '$d' "$work/manifest" >"$work/manifest.shorter"
		mv "$work/manifest.shorter" "$work/manifest"
	fi
	record share/after/manifest
	place "$work/manifest" share/after/manifest 644

	say "installed after below $prefix"
	case ":${PATH:-}:" in
	*":$prefix/bin:"*) say 'start a worker: after start manobi' ;;
	*) say "$prefix/bin is not in your PATH: add it, or call $prefix/bin/after" ;;
	esac
}

uninstall_all() {
	manifest="$prefix/share/after/manifest"
	[ -f "$manifest" ] || die "after is not installed below $prefix (there is no $manifest)"
	config="$prefix/etc/after/config.json"
	if [ -f "$config" ]; then
		if cmp -s "$config" "$prefix/share/after/config.json"; then
			rm -f "$config"
		else
			say "kept $config, which was changed"
		fi
	fi
	cp "$manifest" "$work/manifest"
	while IFS= read -r path; do
		case $path in
		'' | /* | *..*) continue ;; # nothing of ours
		esac
		rm -f "$prefix/$path"
	done <"$work/manifest"
	if [ -d "$prefix/etc/after/jobs" ] && ! rmdir "$prefix/etc/after/jobs" 2>/dev/null; then
		say "kept $prefix/etc/after/jobs, which has jobs in it"
	fi
	rmdir "$prefix/etc/after" "$prefix/share/after" 2>/dev/null || true
	say "removed after from $prefix (tasks and state of users are kept)"
}

main() {
	prefix=${PREFIX:-}
	action=install
	go=${GO:-go}
	while [ $# -gt 0 ]; do
		case $1 in
		--prefix)
			[ $# -gt 1 ] || die '--prefix needs a folder'
			prefix=$2
			shift
			;;
		--prefix=*) prefix=${1#--prefix=} ;;
		--uninstall) action=uninstall ;;
		-h | --help)
			usage
			exit 0
			;;
		*)
			usage >&2
			die "what is \"$1\"?"
			;;
		esac
		shift
	done
	source=$(cd "$(dirname "$0")" && pwd)
	[ -n "$prefix" ] || prefix=$(default_prefix)
	case $prefix in
	/*) ;;
	*) prefix=$(pwd)/$prefix ;;
	esac
	prefix=${prefix%/}
	writable "$prefix" || die "$prefix cannot be written to: name another folder with --prefix, or ask an administrator"
	work=$(mktemp -d "${TMPDIR:-/tmp}/after-install.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	if [ "$action" = install ]; then
		install_all
	else
		uninstall_all
	fi
}

main "$@"
