# shellcheck shell=bash
# What a machine may lack, sourced by demo.sh and tests/run.sh. Every function says what it does.
#
# Nothing is installed into the system but compilers, Node and Python, and these only as root or with
# a sudo that asks for no password. Servers are unpacked from the distribution's packages into a
# private folder: that needs no root, starts no service and takes no port.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Root's PostgreSQL runs as another user, who cannot look into root's home.
if [ "$(id -u)" = 0 ] && [ -z "${XDG_CACHE_HOME:-}" ]; then
    cache=/var/cache/roadie
else
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/roadie
fi

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "error: $*"
    exit 1
}

# As in .cargo/config.toml, which cargo reads only below the repository: two values would mean to build
# the C libraries again and again.
export CFLAGS=${CFLAGS--O3}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Runs a command as root; 125 when there is no way to.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif has sudo && sudo -n true 2>/dev/null; then
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 125
    fi
}

# system_packages WHY PACKAGE...: installs into the system, and starts none of its services.
system_packages() {
    local why=$1
    shift
    has apt-get && as_root true || return 1
    say "install     $* with apt-get ($why)"
    as_root apt-get -qq update >&2 || say "            the package lists could not be renewed"
    as_root apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" \
        </dev/null >/dev/null
}

# Cargo, and new enough.
need_rust() {
    has cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    has cargo || fail "no cargo on the PATH; install Rust with rustup, open a new shell, and start this again"
    local need have
    need=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' "$root/Cargo.toml")
    have=$(cd "$root" && cargo --version | sed 's/^cargo 1\.\([0-9]*\).*/\1/')
    [ "$have" -ge "$need" ] || fail "Rust 1.$have is too old, 1.$need is needed: rustup update stable"
}

# A C compiler: the linker of Rust, and what SQLite and the cryptography are built with.
need_cc() {
    if has cc; then
        return
    fi
    system_packages "a C compiler, to build SQLite and the cryptography" gcc libc6-dev || true
    if ! has cc && unpacked cc gcc libc6-dev; then
        cc_runs
        PATH=$cache/cc/wrappers:$PATH
        say "cc          $cache/cc/wrappers/cc"
    fi
    has cc || fail "no C compiler; as root: apt-get install gcc libc6-dev (macOS: xcode-select --install)"
}

# What the image codecs are built with: libaom wants C++ and CMake, and all are slow without an assembler.
need_codec_tools() {
    need_cc
    local missing=() tool
    for tool in c++:g++ make:make cmake:cmake nasm:nasm; do
        has "${tool%%:*}" || missing+=("${tool##*:}")
    done
    if [ "${#missing[@]}" = 0 ]; then
        return
    fi
    system_packages "to build the image codecs" "${missing[@]}" || true
    if ! { has c++ && has make && has cmake && has nasm; } && unpacked codec-tools g++ make cmake nasm; then
        codec_tools_run
        PATH=$PATH:$cache/codec-tools/wrappers
        say "codecs      built with tools in $cache/codec-tools/wrappers"
    fi
    for tool in c++ make cmake nasm; do
        has "$tool" || fail "no $tool; as root: apt-get install ${missing[*]} (macOS: brew install cmake nasm)"
    done
}

# Makes the unpacked tools callable like installed ones. The C++ compiler has only its own half with it, so it
# is told where the C compiler keeps the other.
codec_tools_run() {
    local home=$cache/codec-tools tool half libraries
    libraries=$(libraries "$home/usr")
    mkdir -p "$home/wrappers"
    for tool in g++ make cmake nasm; do
        half=
        if [ "$tool" = g++ ]; then
            half="-B'$(dirname "$(cc -print-libgcc-file-name)")'"
        fi
        cat >"$home/wrappers/$tool" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH='$libraries' exec '$home/usr/bin/$tool' $half "\$@"
WRAPPER
        chmod +x "$home/wrappers/$tool"
    done
    ln -sf g++ "$home/wrappers/c++"
}

# Makes the unpacked compiler look for headers in its own folder, and for the C library's shared
# half in the system.
cc_runs() {
    local home=$cache/cc folder libraries program
    for folder in lib lib64; do
        if [ -d "$home/$folder" ] && ! [ -L "$home/$folder" ]; then
            cp -a "$home/$folder" "$home/usr/"
            rm -rf "${home:?}/$folder"
        fi
        ln -sfn "/$folder" "$home/$folder"
    done
    libraries=$(libraries "$home/usr")
    mkdir -p "$home/wrappers"
    for program in cc ar as ld ranlib; do
        {
            printf '#!/bin/sh\nexport LD_LIBRARY_PATH='\''%s'\''\n' "$libraries"
            if [ "$program" = cc ]; then
                printf 'exec '\''%s/usr/bin/gcc'\'' --sysroot='\''%s'\'' "$@"\n' "$home" "$home"
            else
                printf 'exec '\''%s/usr/bin/%s'\'' "$@"\n' "$home" "$program"
            fi
        } >"$home/wrappers/$program"
        chmod +x "$home/wrappers/$program"
    done
}

# unpacked NAME PACKAGE...: unpacks packages, and what they depend on and the system lacks, into
# $cache/NAME, unless that was done before.
unpacked() {
    local name=$1
    shift
    if [ -f "$cache/$name/.complete" ]; then
        return
    fi
    has apt-get && has dpkg && (umask 022 && mkdir -p "$cache") || return 1
    local work
    work=$(mktemp -d "$cache/unpack.XXXXXX") || return 1
    (
        trap 'rm -rf "$work"' EXIT
        fetch_and_unpack "$work" "$@" || exit 1
        rm -rf "${cache:?}/$name"
        mv "$work/root" "$cache/$name"
    )
}

fetch_and_unpack() {
    local work=$1
    shift
    mkdir "$work/root" "$work/debs" && cd "$work/debs" || return 1
    say "unpack      $* into $cache, with apt-get (needs no root, starts nothing)"
    local options=(-qq -o "APT::Sandbox::User=$(id -un)")
    if ! fetch "${options[@]}" -- "$@" 2>/dev/null; then
        say "            the package lists are missing or old: fetching some for this alone"
        rm -f ./*.deb
        mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
        options+=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
        apt-get "${options[@]}" update >&2 || true
        fetch "${options[@]}" -- "$@" || return 1
    fi
    local deb
    for deb in *.deb; do
        dpkg -x "$deb" "$work/root" || return 1
    done
    touch "$work/root/.complete"
}

# fetch OPTION... -- PACKAGE...: what is asked for and what is missing for it, as files.
fetch() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    local plan missing
    plan=$(apt-get "${options[@]}" -s --no-install-recommends install "$@") || return 1
    # Never a second libc beside the system's.
    missing=$(awk '$1 == "Inst" && $2 !~ /^libc(6|-bin)$/ { print $2 }' <<<"$plan")
    # Duplicates do no harm; package names have no spaces.
    # shellcheck disable=SC2086
    apt-get "${options[@]}" download "$@" $missing >/dev/null
}

# Folders with shared libraries below an unpacked package.
libraries() {
    find "$1" -name 'lib*.so*' -printf '%h\n' | sort -u | paste -sd: -
}

# A Redis server program, into $redis_server. The best first: one that is there, the distribution's,
# and at last one in Rust that is made for development.
need_redis() {
    local program
    for program in redis-server valkey-server; do
        if has "$program"; then
            redis_server=$(command -v "$program")
            say "redis       $redis_server"
            return
        fi
    done
    redis_server=$cache/redis/redis-server
    if unpacked redis redis-server redis-tools && redis_runs; then
        say "redis       $redis_server"
        return
    fi
    redis_server=$(command -v meebis || printf %s "$cache/meebis/bin/meebis")
    if ! [ -x "$redis_server" ]; then
        say "build       meebis with cargo, because there is no other Redis server (about a minute)"
        cargo install --quiet --locked --root "$cache/meebis" meebis >&2 || return 1
    fi
    say "redis       $redis_server (a server for development)"
}

# Makes the unpacked server callable like an installed one.
redis_runs() {
    if ! [ -x "$redis_server" ]; then
        cat >"$redis_server" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH='$(libraries "$cache/redis")' exec '$cache/redis/usr/bin/redis-server' "\$@"
WRAPPER
        chmod +x "$redis_server"
    fi
    "$redis_server" --version >/dev/null
}

# PostgreSQL's programs: their folder into $postgres_bin, their libraries into $postgres_libraries.
need_postgres() {
    # shellcheck disable=SC2034 # for who sources this
    postgres_libraries=
    postgres_bin=$(newest_postgres /usr)
    if [ -z "$postgres_bin" ] && has initdb && has pg_ctl; then
        postgres_bin=$(dirname "$(command -v initdb)")
    fi
    if [ -z "$postgres_bin" ]; then
        unpacked postgres postgresql || return 1
        postgres_bin=$(newest_postgres "$cache/postgres/usr")
        # shellcheck disable=SC2034
        postgres_libraries=$(libraries "$cache/postgres")
    fi
    [ -n "$postgres_bin" ] || return 1
    say "postgres    $postgres_bin"
}

newest_postgres() {
    local initdb
    initdb=$(find "$1/lib/postgresql" -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    [ -z "$initdb" ] || dirname "$initdb"
}

# Prometheus and its promtool: their folder into $prometheus_bin.
need_prometheus() {
    if has prometheus && has promtool; then
        prometheus_bin=$(dirname "$(command -v prometheus)")
    else
        unpacked prometheus prometheus || return 1
        prometheus_bin=$cache/prometheus/usr/bin
    fi
    "$prometheus_bin/promtool" --version >/dev/null || return 1
    say "prometheus  $prometheus_bin"
}

# Node 18 or newer, and npm.
need_node() {
    if ! { has node && has npm; }; then
        system_packages "for the tests with BullMQ's own clients" nodejs npm || return 1
    fi
    has node && has npm || return 1
    local major
    major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
    if [ "$major" -lt 18 ]; then
        say "node        $(node --version) is too old, 18 is needed"
        return 1
    fi
    say "node        $(command -v node) $(node --version)"
}

# python_packages NAME WHAT REQUIREMENTS: packages of Python in an environment of their own, $cache/NAME.
python_packages() {
    local home=$cache/$1 what=$2 wanted=$3
    if cmp -s "$wanted" "$home/requirements.txt"; then
        return
    fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        system_packages "for $what" python3 python3-venv || return 1
    fi
    say "install     $what into $home"
    rm -rf "${home:?}"
    (umask 022 && mkdir -p "$cache" && python3 -m venv "$home") || return 1
    "$home/bin/python3" -m pip install --quiet --disable-pip-version-check -r "$wanted" >&2 || return 1
    cp "$wanted" "$home/requirements.txt"
}

# BullMQ's client for Python, into $python.
need_python() {
    python_packages python "BullMQ's client for Python" "$root/tests/conformance/python/requirements.txt" || return 1
    python=$cache/python/bin/python3
    say "python      $python"
}

# The fuzzer of the HTTP API, into $schemathesis.
need_schemathesis() {
    python_packages schemathesis "schemathesis, the fuzzer of the HTTP API" "$root/tests/fuzz/requirements.txt" || return 1
    schemathesis=$cache/schemathesis/bin/schemathesis
    say "fuzzer      $schemathesis"
}

# What looks for metadata in variants, into $exiftool.
need_exiftool() {
    if has exiftool; then
        exiftool=$(command -v exiftool)
    else
        local home=$cache/exiftool
        unpacked exiftool libimage-exiftool-perl || return 1
        exiftool=$home/exiftool
        {
            printf '#!/bin/sh\nexport PERL5LIB='\''%s'\''\n' "$home/usr/share/perl5"
            printf 'exec '\''%s/usr/bin/exiftool'\'' "$@"\n' "$home"
        } >"$exiftool"
        chmod +x "$exiftool"
    fi
    "$exiftool" -ver >/dev/null || return 1
    say "exiftool    $exiftool"
}

# What writes extracts of OpenStreetMap for tests, into $osmium.
need_osmium() {
    if has osmium; then
        osmium=$(command -v osmium)
    else
        local home=$cache/osmium
        unpacked osmium osmium-tool || return 1
        osmium=$home/osmium
        {
            printf '#!/bin/sh\nexport LD_LIBRARY_PATH='\''%s'\''\n' "$(libraries "$home/usr")"
            printf 'exec '\''%s/usr/bin/osmium'\'' "$@"\n' "$home"
        } >"$osmium"
        chmod +x "$osmium"
    fi
    "$osmium" --version >/dev/null || return 1
    say "osmium      $osmium"
}

# What reads PDFs: the folder of its programs into $poppler.
need_poppler() {
    if has pdftotext && has pdffonts; then
        poppler=$(dirname "$(command -v pdftotext)")
    else
        local home=$cache/poppler program
        unpacked poppler poppler-utils || return 1
        poppler=$home/wrappers
        mkdir -p "$poppler"
        for program in pdftotext pdffonts pdfinfo pdfimages; do
            {
                printf '#!/bin/sh\nexport LD_LIBRARY_PATH='\''%s'\''\n' "$(libraries "$home/usr")"
                printf 'exec '\''%s/usr/bin/%s'\'' "$@"\n' "$home" "$program"
            } >"$poppler/$program"
            chmod +x "$poppler/$program"
        done
    fi
    "$poppler/pdftotext" -v 2>/dev/null || return 1
    say "poppler     $poppler"
}

# Fonts of all scripts, into $fonts: those that the manual names for exports.fonts.
need_fonts() {
    unpacked fonts fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji || return 1
    fonts=$cache/fonts/usr/share/fonts
    say "fonts       $fonts"
}

# A spreadsheet that reads CSV, into $soffice. It does not run from another folder than its own.
need_libreoffice() {
    has soffice || system_packages "to read exported tables as a spreadsheet does" libreoffice-calc-nogui || return 1
    has soffice || return 1
    # shellcheck disable=SC2034 # for who sources this
    soffice=$(command -v soffice)
    say "libreoffice $soffice"
}

# The shell linter, into $shellcheck.
need_shellcheck() {
    if has shellcheck; then
        shellcheck=$(command -v shellcheck)
        return
    fi
    shellcheck=$cache/shellcheck/usr/bin/shellcheck
    unpacked shellcheck shellcheck && "$shellcheck" --version >/dev/null
}

# What reads the files of deploy/, into $deploy_tools: a folder of programs.
need_deploy_tools() {
    python_packages deploy "what checks the files of deploy/" "$root/tests/deploy/requirements.txt" || return 1
    deploy_tools=$cache/deploy/bin
    say "deploy      $deploy_tools"
}

# Builds kustomizations; it is asked nothing else, and needs no cluster.
need_kubectl() {
    if ! has kubectl; then
        unpacked kubectl kubernetes-client || return 1
        PATH=$PATH:$cache/kubectl/usr/bin
    fi
    kubectl kustomize --help >/dev/null || return 1
    say "kubectl     $(command -v kubectl)"
}

# Checks units without running any, into $systemd_analyze.
need_systemd_analyze() {
    if has systemd-analyze; then
        systemd_analyze=$(command -v systemd-analyze)
    else
        local home=$cache/systemd
        unpacked systemd systemd || return 1
        systemd_analyze=$home/systemd-analyze
        {
            printf '#!/bin/sh\nexport LD_LIBRARY_PATH='\''%s'\''\n' "$(libraries "$home/usr")"
            # Targets that a unit asks for, where the system has none.
            printf 'export SYSTEMD_UNIT_PATH='\''%s:'\''\n' "$home/lib/systemd/system:$home/usr/lib/systemd/system"
            printf 'exec '\''%s/usr/bin/systemd-analyze'\'' "$@"\n' "$home"
        } >"$systemd_analyze"
        chmod +x "$systemd_analyze"
    fi
    "$systemd_analyze" --version >/dev/null || return 1
    say "systemd     $systemd_analyze"
}

# A mail server for tests, into $smtp_python.
need_smtp() {
    python_packages smtp "aiosmtpd, a mail server" "$root/tests/smtp/requirements.txt" || return 1
    # shellcheck disable=SC2034 # for who sources this
    smtp_python=$cache/smtp/bin/python3
    say "smtp        $smtp_python"
}

# An object store that keeps versions, for tests, into $s3_python.
need_s3() {
    python_packages s3 "moto, an object store" "$root/tests/s3/requirements.txt" || return 1
    # shellcheck disable=SC2034 # for who sources this
    s3_python=$cache/s3/bin/python3
    say "s3          $s3_python"
}
