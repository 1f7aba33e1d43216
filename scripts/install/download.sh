# shellcheck shell=sh
# How files of a release arrive: from an address or a directory, no larger than they may be, in a time that ends.

# source_url decides where the files come from and by which protocol. Plain http is for this machine itself: whoever
# could change what goes over the loopback interface is root already.
source_url() {
	if [ -n "$from" ]; then
		[ -d "$from" ] || die 2 "--from $from: not a directory"
		return 0
	fi
	if [ -n "${LIXFIX_BASE_URL:-}" ]; then
		url=${LIXFIX_BASE_URL%/}
	elif [ -n "$version" ]; then
		url=$release_url/download/v$version
	else
		url=$release_url/latest/download
	fi
	case $url in
	*@* | *[[:space:]]*) die 2 "LIXFIX_BASE_URL: $url: an address without user names and spaces is needed" ;;
	https://*) proto='=https' ;;
	http://127.0.0.1[:/]* | http://localhost[:/]* | 'http://[::1]'[:/]*) proto='=http' ;;
	*) die 2 "LIXFIX_BASE_URL: $url: an https address is needed" ;;
	esac
	# A dead certificate file, as a broken Nix leaves one in the environment, must not keep its repair away.
	for bundle in SSL_CERT_FILE CURL_CA_BUNDLE; do
		eval "bundle_file=\${$bundle:-}"
		if [ -n "$bundle_file" ] && ! [ -r "$bundle_file" ]; then
			say "ignoring $bundle: $bundle_file cannot be read"
			unset "$bundle"
		fi
	done
	bundle=${CURL_CA_BUNDLE:-${SSL_CERT_FILE:-}}
	if has curl; then
		tool=curl
	elif has wget && HOME=/dev/null XDG_CONFIG_HOME=/dev/null wget --no-config --version 2>/dev/null | grep -q '^GNU Wget'; then
		tool=wget
	else
		die 3 "curl or GNU wget is needed to download lixfix (the wget of busybox does not check certificates)"
	fi
}

# shellcheck disable=SC2317 # await calls it
# limited COMMAND... becomes a command whose files cannot become much larger than most. Without the signal, a write
# that goes too far is an error of the command. Shells count blocks of 512 bytes or of 1024, so the size decides later.
# With sudo, HOME can still be that of the user, whose .wgetrc names programs to run. What -q and --no-config leave out
# is looked for where nothing is.
limited() {
	trap '' XFSZ
	ulimit -f "$((most / 512 + 2))" 2>/dev/null || :
	HOME=/dev/null XDG_CONFIG_HOME=/dev/null
	export HOME XDG_CONFIG_HOME
	exec "$@"
}

# over FILE tells whether a file is larger than it may be; why then says so.
over() {
	[ -f "$1" ] || return 1
	looks "$1" # wc of busybox would read it all
	[ "$size" -gt "$most" ] || return 1
	why=$larger
}

# limit NAME sets most to how large a file of a release may be, in bytes, and larger to what is said of one that is.
limit() {
	case $1 in
	*.tar.gz) most=104857600 ;;
	*) most=65536 ;;
	esac
	larger="it is larger than $most bytes, and no such file of a release is"
}

# get_curl URL FILE. Status 1: a further try may help; 2: it will not.
get_curl() {
	get_code=0
	await limited curl -q -sS -L --proto "$proto" --proto-redir '=https' --tlsv1.2 --max-redirs 5 --connect-timeout 20 \
		--max-time 600 --max-filesize "$most" -o "$2" -w '%{http_code}' "$1" >"$work/http" 2>"$work/err" || get_code=$?
	get_http=
	{ read -r get_http <"$work/http" || :; } 2>/dev/null # it has no end of a line
	case $get_code/$get_http in
	*/408 | */429 | */5??) why="the server answered $get_http" && return 1 ;;
	*/4??) why="the server answered $get_http" && return 2 ;;
	0/200) return 0 ;;
	0/?*) why="the server answered $get_http" && return 2 ;;
	63/*) why=$larger && return 2 ;;
	# No place for the answer, not allowed, not understood, no space, too many redirects, no trust.
	0/ | 1/* | 3/* | 23/* | 47/* | 51/* | 60/* | 77/*) get_code=2 ;;
	*) get_code=1 ;;
	esac
	why=$(sed -n '/^curl: /{p;q;}' "$work/err" 2>/dev/null || :)
	[ -n "$why" ] || why=$(last)
	return "$get_code"
}

# get_wget URL FILE does the same. wget cannot be told to refuse redirects to http, so they are followed here.
get_wget() {
	get_next=$1
	get_hops=0
	while :; do
		get_code=0
		# shellcheck disable=SC2086 # bound is a command or nothing
		await limited $bound wget --no-config -S --no-hsts --check-certificate ${bundle:+"--ca-certificate=$bundle"} \
			--secure-protocol=TLSv1_2 --max-redirect=0 --tries=1 --timeout=60 -O "$2" "$get_next" >/dev/null 2>"$work/err" || get_code=$?
		[ "$get_code" -ne 0 ] || return 0
		get_http=$(sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$work/err" | tail -n 1)
		why="the server answered $get_http"
		[ "$get_code" -ne 124 ] || { why='no end within 10 minutes' && return 1; }
		case $get_http in
		30[12378]) ;;
		408 | 429 | 5??) return 1 ;;
		4??) return 2 ;;
		*)
			why=$(last)
			# 3 is a file that cannot be written, 5 a certificate that is not trusted.
			case $get_code in
			3 | 5) return 2 ;;
			esac
			return 1
			;;
		esac
		get_to=$(sed -n 's/^ *[Ll]ocation: *\([^ ]*\).*/\1/p' "$work/err" | tail -n 1 | tr -d '\r')
		get_hops=$((get_hops + 1))
		case $get_to in
		https://*) get_next=$get_to ;;
		/*)
			get_rest=${get_next#*://}
			get_next=${get_next%%://*}://${get_rest%%/*}$get_to
			;;
		*) why="refused a redirect to ${get_to:-nowhere}" && return 2 ;;
		esac
		[ "$get_hops" -le 5 ] || { why="too many redirects" && return 2; }
	done
}

# take NAME copies a file of the release from a directory. Whoever owns that can put anything there at any time, so cp
# is told to copy links, pipes and devices as such, and what has arrived is looked at.
take() {
	[ -e "$from/$1" ] || [ -L "$from/$1" ] || die 3 "take $1 from $from: there is no such file"
	{ [ -f "$from/$1" ] && [ ! -L "$from/$1" ]; } || die 3 "take $1 from $from: not a regular file"
	! over "$from/$1" || die 3 "take $1 from $from: $why"
	take_code=0
	# shellcheck disable=SC2086 # bound is a command or nothing
	await limited $bound cp -RP "$from/$1" "$work/$1" 2>"$work/err" || take_code=$?
	if [ -L "$work/$1" ] || [ -e "$work/$1" ]; then
		{ [ -f "$work/$1" ] && [ ! -L "$work/$1" ]; } || die 3 "take $1 from $from: not a regular file"
		! over "$work/$1" || die 3 "take $1 from $from: $why"
	fi
	[ "$take_code" -eq 0 ] || die 3 "take $1 from $from: $(last)"
}

# fetch NAME brings a file of the release into the workplace.
fetch() {
	limit "$1"
	if [ -n "$from" ]; then
		take "$1"
		return 0
	fi
	fetch_try=1
	while :; do
		fetch_code=0
		why=
		if [ "$tool" = curl ]; then
			get_curl "$url/$1" "$work/$1" || fetch_code=$?
		else
			get_wget "$url/$1" "$work/$1" || fetch_code=$?
		fi
		case $why in
		'the server answered '*) ;;
		*) ! over "$work/$1" || fetch_code=2 ;;
		esac
		case $fetch_code/$fetch_try in
		0/*) return 0 ;;
		1/1 | 1/2) await sleep "$fetch_try" || : ;;
		*) die 3 "download $url/$1: $why" ;;
		esac
		fetch_try=$((fetch_try + 1))
	done
}
