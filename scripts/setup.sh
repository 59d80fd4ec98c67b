# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh, which is sourced before this, sets root
# Sourced after lib.sh: makes sure that everything is here that a build and a run need, and installs what is not.

as_root() { if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi; }
can_be_root() { [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null; }

# --- packages -------------------------------------------------------------------------------------------------------------

has_c_compiler() { echo '#include <stdint.h>' | cc -E - >/dev/null 2>&1; }

# libFuzzer is C++, which is built with the fuzz targets.
has_cpp_compiler() { echo '#include <vector>' | c++ -x c++ -E - >/dev/null 2>&1; }

# The bindings to the server's module API are made during the build by libclang, which needs the headers that come with it.
has_libclang() {
    [[ -z ${LIBCLANG_PATH:-} ]] || return 0
    compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null &&
        { compgen -G '/usr/lib/llvm-*/lib/libclang[.-][0-9s]*' || compgen -G '/usr/lib/*/libclang[.-][0-9s]*'; } >/dev/null
}

missing_packages() {
    has_c_compiler || say gcc libc6-dev
    [[ $purpose != core ]] || return 0
    has_libclang || say libclang-dev
    if [[ $purpose != run && $purpose != example ]]; then has_cpp_compiler || say g++; fi
    [[ $purpose != fuzz ]] || return 0
    command -v redis-server >/dev/null || say redis-server
    command -v redis-cli >/dev/null || say redis-tools
    [[ $purpose == tests || $purpose == example ]] || return 0
    # What the example runs on, and Socket.IO, the session stores and the clients that some tests ask.
    command -v node >/dev/null || say nodejs
    command -v npm >/dev/null || say npm
    [[ $purpose == tests ]] || return 0
    # Tests of the example are people with this browser.
    command -v chromium >/dev/null || say chromium
    has_python || say python3 python3-venv
    has_php || say php-cli php-redis
}

# Debian's Python can make no environment without another package.
has_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

has_php() { php -r 'exit(extension_loaded("redis") ? 0 : 1);' 2>/dev/null; }

install_missing() {
    local packages
    mapfile -t packages < <(missing_packages | tr ' ' '\n')
    [[ ${#packages[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || die "missing here, and there is no apt-get to install it: ${packages[*]}"
    can_be_root || die "something is missing, and installing it takes root:
    apt-get install ${packages[*]}"
    say "installing ${packages[*]}"
    # A subshell, so that its trap ends with it.
    (
        trap release_services EXIT
        hold_services
        apt_install "${packages[@]}"
    ) || die "could not install ${packages[*]}"
    if [[ " ${packages[*]} " == *' redis-server '* ]]; then keep_service_off; fi
}

# What apt says is of interest only when it fails.
apt_install() {
    local options=(-qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0) log
    log=$(mktemp)
    # One repository that cannot be reached need not be the one that the packages come from.
    as_root apt-get update "${options[@]}" >"$log" 2>&1 || true
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${options[@]}" "$@" >>"$log" 2>&1; then
        rm "$log"
    else
        cat "$log" >&2
        rm "$log"
        return 1
    fi
}

# --- Debian's redis-server package starts a server on 6379, now and at every boot: only its program is wanted ---------------

policy=/usr/sbin/policy-rc.d
policy_before=$policy.before-redis-session
policy_mark='written by scripts/setup.sh of redis-session while it installs packages'

# Packages ask policy-rc.d whether they may start a service; 101 is no.
hold_services() {
    services_held=no
    if ! grep -qs "$policy_mark" "$policy"; then
        if services_already_held; then return; fi
        if [[ -e $policy || -L $policy ]]; then as_root mv -- "$policy" "$policy_before"; fi
    fi
    # An earlier run that was killed may have left its file; then this run clears it away.
    services_held=yes
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

services_already_held() {
    local answer=0
    [[ -x $policy ]] || return 1
    as_root "$policy" redis-server start >/dev/null 2>&1 || answer=$?
    [[ $answer -eq 101 ]]
}

release_services() {
    [[ ${services_held:-no} == yes ]] || return 0
    as_root rm -f -- "$policy"
    if [[ -e $policy_before || -L $policy_before ]]; then as_root mv -- "$policy_before" "$policy"; fi
}

keep_service_off() {
    as_root update-rc.d redis-server disable >/dev/null 2>&1 || true
    say 'redis-server is installed; its system service is neither started nor enabled'
}

# --- Rust -----------------------------------------------------------------------------------------------------------------

need_rust() {
    # Where rustup puts it, for shells that have not read the profile since.
    command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    command -v cargo >/dev/null || die 'no Rust toolchain: install one with rustup'
    local wanted have
    wanted=$(sed -nE 's/^rust-version *= *"([0-9.]+)".*/\1/p' "$root/Cargo.toml")
    have=$(rustc --version | cut -d ' ' -f 2)
    printf '%s\n' "$wanted" "$have" | sort -CV || die "Rust $wanted or newer is needed, and this is $have: rustup update stable"
}

# need_rust_component COMPONENT...: for example rustfmt, which is cargo fmt.
need_rust_component() {
    local component missing=()
    for component in "$@"; do
        # rustup leaves a stand-in for what is not installed, so only running it tells.
        cargo "${component#rust}" --version >/dev/null 2>&1 || missing+=("$component")
    done
    [[ ${#missing[@]} -eq 0 ]] || die "the Rust toolchain lacks ${missing[*]}: rustup component add ${missing[*]}"
}

# setup [tests|fuzz|core|example]: for a build and a run, for all tests, for the fuzz targets alone, to build the core alone, or for
# the example.
setup() {
    purpose=${1:-run}
    need_rust
    install_missing
}
