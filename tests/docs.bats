#!/usr/bin/env bats
# The manuals, README and the examples say the same as the programs.

load lib

SPAWN_MAN=$FCGI_SOURCE/man/spawn-fcgi.1
WRAP_MAN=$FCGI_SOURCE/man/fcgiwrap.8
README=$FCGI_SOURCE/README

# The options of a program, a line each: names and argument, a tab, what --help says of it.
help_options() {
	run_under "$1" --help | awk '
		/^ +-/ {
			head = substr($0, 1, 32)
			gsub(/,/, "", head)
			gsub(/ +/, " ", head)
			gsub(/^ | $/, "", head)
			print head "\t" substr($0, 34)
		}'
}

# The same from a manual: ".It Fl p , Fl -port Ar PORT" and the text below it, as it stands.
man_options() {
	awk '
		entry && /^\.(It|El|Sh|Ss)/ {
			print entry "\t" text
			entry = ""
		}
		/^\.It Fl / {
			entry = substr($0, 5)
			gsub(/ , /, " ", entry)
			gsub(/Fl /, "-", entry)
			gsub(/Ar |\\&/, "", entry)
			text = ""
			next
		}
		entry { text = text $0 " " }' "$1"
}

heads() {
	cut -f 1 | sort
}

# same_options PROGRAM MANUAL
same_options() {
	[ "$(help_options "$1" | wc -l)" -gt 5 ]
	diff <(help_options "$1" | heads) <(man_options "$2" | heads)
}

# same_defaults PROGRAM MANUAL: what --help calls a default (or, ending a line, just a number in
# parentheses) the manual calls "The default is".
same_defaults() {
	local head text default number='\(([0-9]+)[^)]*\)$' checked=0

	while IFS=$'\t' read -r head text; do
		if [[ $text =~ default\ ([^\ ,\;:\)]+) || $text =~ $number ]]; then
			default=${BASH_REMATCH[1]}
			checked=$((checked + 1))
			man_options "$2" | grep -F -- "$head"$'\t' |
				grep -E "The default is $default([,:;. ]|$)" || {
				echo "$head: the manual does not say that the default is $default"
				return 1
			}
		fi
	done < <(help_options "$1")
	[ "$checked" -gt 1 ]
}

# bytes SIZE: 4k is 4096.
bytes() {
	case $1 in
	*k) echo $((${1%k} * 1024)) ;;
	*m) echo $((${1%m} * 1048576)) ;;
	*) echo "$1" ;;
	esac
}

# same_bounds PROGRAM MANUAL: "from 1 to 1024" is what the program says when it refuses a value.
same_bounds() {
	local head text bounds='from ([0-9]+[km]?) to ([0-9]+[km]?)' option said checked=0

	while IFS=$'\t' read -r head text; do
		[[ $text =~ $bounds ]] || continue
		said="from $(bytes "${BASH_REMATCH[1]}") to $(bytes "${BASH_REMATCH[2]}")"
		option=${head%% *}
		run run_under "$1" "$option" x
		[[ $output == *"$option "*" $said"[,\ ]* ]] ||
			{ echo "$option, by the manual $said: $output"; return 1; }
		checked=$((checked + 1))
	done < <(man_options "$2")
	[ "$checked" -gt 1 ]
}

# A configuration without comments, blank lines and indentation.
bare() {
	sed -E 's/^[[:space:]]+//; /^#/d; /^$/d'
}

# The nginx block of a text, up to the first line that matches.
nginx_block() {
	awk -v end="$2" '/^ *upstream fcgiwrap/ { on = 1 } on && $0 ~ end { exit } on' "$1" | bare
}

version() {
	sed -nE 's/^AC_INIT\(\[fcgi-bridge\], \[(.*)\]\).*/\1/p' "$FCGI_SOURCE/configure.ac"
}

@test "spawn-fcgi's manual has the options of --help, and no others" {
	same_options "$SPAWN_FCGI" "$SPAWN_MAN"
}

@test "fcgiwrap's manual has the options of --help, and no others" {
	same_options "$FCGIWRAP" "$WRAP_MAN"
}

@test "spawn-fcgi's manual has the defaults of --help" {
	same_defaults "$SPAWN_FCGI" "$SPAWN_MAN"
}

@test "fcgiwrap's manual has the defaults of --help" {
	same_defaults "$FCGIWRAP" "$WRAP_MAN"
}

@test "what the manuals call bounds are bounds of the programs" {
	same_bounds "$SPAWN_FCGI" "$SPAWN_MAN"
	same_bounds "$FCGIWRAP" "$WRAP_MAN"
}

@test "the messages that the manuals explain are messages of the programs" {
	local common=("$FCGI_SOURCE"/common/*.c)

	perl "$FCGI_SOURCE/tests/diagnostics.pl" "$SPAWN_MAN" "$FCGI_SOURCE"/spawn/*.c "${common[@]}"
	perl "$FCGI_SOURCE/tests/diagnostics.pl" "$WRAP_MAN" "$FCGI_SOURCE"/wrapper/*.c "${common[@]}"
}

@test "the remedies that fcgiwrap --try gives are those of the manual" {
	need mandoc
	mandoc -T ascii -O width=900 "$WRAP_MAN" |
		perl "$FCGI_SOURCE/tests/remedies.pl" "$FCGI_SOURCE/wrapper/remedy.c"
}

@test "the manuals are good mdoc" {
	need mandoc
	# Whether the pages that they refer to are installed here does not matter.
	run mandoc -Tlint "$SPAWN_MAN" "$WRAP_MAN"
	grep -Ev ' lacks .* entry|referenced manual not found' <<<"$output" && false
	[ "$status" -le 1 ]
}

# section NAME MANUAL
section() {
	awk -v name="$1" '/^\.S[hs] / { on = substr($0, 5) == name } on' "$2"
}

# variables_read FILE...: environment variables that sources ask for, but for PATH; one per line.
variables_read() {
	grep -ohE 'getenv\("[A-Z_]+"|_VARIABLE "[A-Z_]+"' "$@" | grep -oE '[A-Z_]{5,}' |
		grep -vx _VARIABLE | sort -u
}

# same_variables SECTION MANUAL FILE...: those of its list; what is only set stands in quotes.
same_variables() {
	local manual=$2 name named

	named=$(section "$1" "$manual" | sed -n 's/^\.It Ev //p' | tr -d ' ' | tr , '\n' | sort)
	shift 2
	echo "$named"
	diff <(variables_read "$@" | grep -vxF "$named") /dev/null
	for name in $named; do
		grep -q "\"${name}[\"=]" "$@" || { echo "$name is in no source"; return 1; }
	done
}

@test "the manuals name all environment variables that the programs heed" {
	local common=("$FCGI_SOURCE"/common/*.[ch])

	same_variables ENVIRONMENT "$SPAWN_MAN" "$FCGI_SOURCE"/spawn/*.[ch] "${common[@]}"
	same_variables 'Environment of fcgiwrap' "$WRAP_MAN" "$FCGI_SOURCE"/wrapper/*.[ch] \
		"${common[@]}"
}

# files_named FILE...: the files that sources name, but for what is below a folder of its own rank.
files_named() {
	grep -ohE '"/(dev|proc|run|tmp|usr|bin|etc|var)/?[a-z0-9/_.-]*' "$@" | tr -d '"' |
		sed -E 's|^/proc/.*|/proc|; s|^/dev/fd/.*|/dev/fd|; s|/$||; s|^/usr/local/bin$|/bin/sh|' | sort -u
}

# names_files MANUAL FILE...: in FILES; PATH's usual folders are no files of ours.
names_files() {
	local manual=$1 known file

	known=$(section FILES "$manual" | sed -n 's/^\.It Pa //p' | tr -d ' ' | tr , '\n')
	shift
	for file in $(files_named "$@"); do
		echo "$file"
		grep -qxF "$file" <<<"$known" || [ "$file" = /bin/sh ] || return
	done
}

@test "the manuals name all files that the programs name" {
	names_files "$SPAWN_MAN" "$FCGI_SOURCE"/spawn/*.c "$FCGI_SOURCE"/common/*.c
	names_files "$WRAP_MAN" "$FCGI_SOURCE"/wrapper/*.c
	section FILES "$WRAP_MAN" | grep -q '/dev/log'
}

# same_signals MANUAL FILE
same_signals() {
	diff <(section SIGNALS "$1" | sed -n 's/^\.It Dv //p' | tr -d ' ' | tr , '\n' | sed 's/^SIG//' | sort) \
		<(grep -oE 'loop_catch\(SIG[A-Z0-9]+' "$2" | sed 's/.*SIG//' | sort)
}

@test "the manuals name all signals that the programs heed" {
	same_signals "$SPAWN_MAN" "$FCGI_SOURCE/spawn/supervise.c"
	same_signals "$WRAP_MAN" "$FCGI_SOURCE/wrapper/parent.c"
}

@test "spawn-fcgi's manual has the exit status of its own errors" {
	section 'EXIT STATUS' "$SPAWN_MAN" |
		grep -x ".It $(sed -n 's/.*EXIT_OWN_ERROR = \([0-9]*\).*/\1/p' "$FCGI_SOURCE/spawn/settings.h")"
}

@test "spawn-fcgi's manual has all that --ping and --request exit with" {
	diff <(section 'The answer' "$SPAWN_MAN" | sed -n 's/^\.It \([0-9]*\)$/\1/p' | sort -n) \
		<({
			sed -n 's/.*EXIT_OWN_ERROR = \([0-9]*\).*/\1/p' "$FCGI_SOURCE/spawn/settings.h"
			# Numbered from 0.
			sed -n '/^enum/,/^}/p' "$FCGI_SOURCE/spawn/client.h" |
				grep -c '^	CLIENT_' | xargs seq 0 | sed '$d'
		} | sort -n)
}

@test "fcgiwrap's manual names all parameters that are refused" {
	diff <(sed -nE '/^static const char \*const refused/,/^\}/p; /^static const char (proxy|functions)\[/p' \
		"$FCGI_SOURCE/wrapper/environment.c" | grep -oE '"[^"]+"' | tr -d '"' | sort) \
		<(sed -n '/^\.Ss Refused/,/^\.El/s/^\.Ev \(.*\) [,.]$/\1/p' "$WRAP_MAN" | sed 's/ , /\n/g' | sort)
}

@test "fcgiwrap's manual names all parameters that pass with --strict-params, or are exempt" {
	local list

	while read -r list; do
		grep -qE -- "^\.Ev (.* )?${list//\*/\\*} " "$WRAP_MAN" || { echo "$list"; return 1; }
	done < <(sed -nE '/^static const char \*const (usual|exempt)/,/^\}/p' \
		"$FCGI_SOURCE/wrapper/environment.c" | grep -oE '"[^"]+"' | tr -d '"')
}

@test "fcgiwrap's manual explains the status codes that there are" {
	diff <(sed -nE 's/.*\{ ([0-9]{3}), "([^"]+)" \}.*/\1 \2/p' "$FCGI_SOURCE/wrapper/reply.c" | sort) \
		<(sed -nE 's/^\.It ([0-9]{3} [A-Z].*)/\1/p' "$WRAP_MAN" | sort)
}

@test "the version is the same everywhere" {
	[ -n "$(version)" ]
	[ "$(run_under "$SPAWN_FCGI" --version)" = "spawn-fcgi v$(version) (ipv6) - spawns FastCGI processes" ]
	[ "$(run_under "$FCGIWRAP" --version)" = "fcgiwrap (fcgi-bridge) $(version)" ]
	[[ $(head -n 1 "$FCGI_SOURCE/ChangeLog") = "Version $(version)"* ]]
}

@test "README's commands are commands of bootstrap" {
	local usage word

	usage=$("$FCGI_SOURCE/bootstrap" --help)
	while read -r word; do
		echo "$word"
		[[ $usage = *"./bootstrap $word"* ]]
	done < <(grep -oE '\./bootstrap [a-z]+' "$README" | cut -d ' ' -f 2)
	for word in demo check --once --sanitize --valgrind; do
		grep -q -e "$word" "$README"
		[[ $usage = *"$word"* ]]
	done
}

@test "the files that README names are there" {
	local file

	while read -r file; do
		echo "$file"
		[ -e "$FCGI_SOURCE/$file" ]
	done < <(grep -oE '(examples|tests|man|common|spawn|wrapper)/[a-z./-]*[a-z/]|COPYING' "$README")
}

@test "README and fcgiwrap's manual have the nginx block of the examples" {
	local example

	example=$(bare <"$FCGI_SOURCE/examples/front-ends/nginx.conf")
	[[ $example = *fastcgi_pass* ]]
	diff <(nginx_block "$README" '^[^ ]') - <<<"$example"
	diff <(nginx_block "$WRAP_MAN" '^\\.Ed') - <<<"$example"
}

@test "long options in README and ChangeLog are options" {
	local option page known

	known=$(for page in "$SPAWN_MAN" "$WRAP_MAN"; do man_options "$page" | sed "s/^/ /"; done
		"$FCGI_SOURCE/bootstrap" --help)
	known+=' configure --prefix --enable-fuzzing --with-systemdsystemunitdir systemctl --now'
	while read -r option; do
		echo "$option"
		[[ $known = *" $option"* || $known = *"[$option"* ]]
	done < <(grep -ohE -- '(^|[ (])--[a-z][a-z-]+' "$README" "$FCGI_SOURCE/ChangeLog" | tr -d ' (')
}
