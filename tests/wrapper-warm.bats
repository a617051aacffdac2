#!/usr/bin/env bats
# Warm starts: what a script can tell of them is only that it is there sooner.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # programs of perl; what lib.bash sets and reads

load lib
load wrapper

# A module that knows which process has loaded it and notes the scripts that come after that, and a
# script that tells whether it was loaded before.
setup() {
	test_begin
	need perl
	need_proc
	PERL=$(command -v perl)
	run timeout 10 "$FCGIWRAP" --warm / </dev/null
	[[ $output != *'not available'* ]] || skip 'no warm starts in this build'
	mkdir "$T/lib"
	cat >"$T/lib/Probe.pm" <<-'MODULE'
		package Probe;
		our $loader = $$;
		our $state = 'untouched';
		END {
			my $file = $INC{'Probe.pm'} =~ s{lib/Probe.pm$}{warm}r;
			open my $warm, '>>', $file or return;
			syswrite $warm, "$0\n";
		}
		1;
	MODULE
	perl_script probe <<-'END'
		print "Content-Type: text/plain\n\n", $INC{'Probe.pm'} ? "warm $Probe::loader\n" : "cold\n";
	END
	export PERL5LIB=$T/lib
}

# perl_script NAME [SWITCH] <<TEXT: an executable file $T/NAME.pl.
perl_script() {
	{ echo "#!$PERL${2:+ $2}"; cat; } | script "$1.pl"
}

# starts HOW: a script is started warm, or cold.
starts() {
	ask get "$T/probe.pl"
	has "$1"
}

start_warm() {
	start_wrapper -c 1 --warm "$PERL=Probe" "$@"
	eventually starts warm
}

# was_warm NAME: this script was started warm.
was_warm() {
	in_file "/$1.pl$" "$T/warm"
}

# same_as_cold NAME [WORD...]: a script says the same, started warm and cold, and ends with the
# same status; $output is what it says.
same_as_cold() {
	local name=$1

	shift
	start_warm -f
	ask get "$T/$name.pl" "$@" status
	printf '%s\n' "$output" "$stderr" >"$T/warm.txt"
	was_warm "$name"
	stop wrapper
	start_wrapper -f
	ask get "$T/$name.pl" "$@" status
	printf '%s\n' "$output" "$stderr" >"$T/cold.txt"
	diff <(sed 's/\[[0-9]*\]//' "$T/cold.txt") <(sed 's/\[[0-9]*\]//' "$T/warm.txt")
}

template() {
	starts warm
	sed -n 's/^warm //p' <<<"$output"
}

# The start. --------------------------------------------------------------------------------

@test "modules are loaded already, by another process, for a child of fcgiwrap" {
	start_warm
	perl_script who <<-'END'
		print "Content-Type: text/plain\n\npid $$\nparent ", getppid, "\nloader $Probe::loader\n";
	END
	ask get "$T/who.pl"
	has_line "parent $(worker)"
	lacks_line "loader $(sed -n 's/^pid //p' <<<"$output")"
	local first=$output
	ask get "$T/who.pl"
	[ "$output" != "$first" ]
	has_line "$(grep loader <<<"$first")"
}

@test "many at once are all answered" {
	start_warm
	crowd 200 20 get "$T/probe.pl" expect-end app=0
}

@test "a template is no script: it does not count" {
	start_warm --max-scripts 1 --queue 0
	starts warm
	starts warm
}

@test "several workers have their own templates" {
	local workers first second

	start_warm -c 2
	mapfile -t workers < <(children_of "$(pid_of wrapper)")
	[ "${#workers[@]}" = 2 ]
	kill -STOP "${workers[1]}"
	eventually starts warm
	first=$(template)
	kill -CONT "${workers[1]}"
	kill -STOP "${workers[0]}"
	eventually starts warm
	second=$(template)
	kill -CONT "${workers[0]}"
	children_of "${workers[0]}" | grep -qx "$first"
	children_of "${workers[1]}" | grep -qx "$second"
}

@test "a file without x bit is started warm by --interpreter" {
	start_warm --interpreter ".pl=$PERL"
	printf 'print "Content-Type: text/plain\\n\\n$Probe::loader\\n"' >"$T/plain.pl"
	ask get "$T/plain.pl"
	has_line "$(template)"
}

# What a script sees. ---------------------------------------------------------------------------

@test "names, lines, messages and status are as in a cold start" {
	perl_script self <<-'END'
		print "Content-Type: text/plain\n\n", __FILE__, ' ', __LINE__, " $0 @ARGV ",
			caller ? 'called' : 'main', " [$^W] [$@] [", $! + 0, "]\n";
		$undeclared = 1;
		print "$_\n" for <DATA>;
		sub fail { die "failed" }
		eval { fail() };
		print $@, abs($^T - time) < 5 ? "now\n" : "then\n", (umask) . "\n";
		warn "warned";
		print STDERR "said\n";
		exit 7;
		__END__
		text
		more text
	END
	same_as_cold self
	has "$T/self.pl 2 $T/self.pl  main"
	has 'failed at' 'more text' app=7
	[[ $stderr == *"warned at $T/self.pl line 9,"*said* ]]
}

@test "a script with errors says where" {
	perl_script wrong <<-'END'
		use strict;
		$undeclared = 1;
	END
	start_warm -f
	ask get "$T/wrong.pl" status
	has 'Status: 502' app=255
	[[ $stderr == *"at $T/wrong.pl line 3."*'Execution of the script aborted'* ]]
	was_warm wrong
}

@test "-w in the first line is heeded, and not without it" {
	for switch in -w ''; do
		perl_script "warns$switch" $switch <<-'END'
			print "Content-Type: text/plain\n\n[$^W] $Probe::loader" . $undefined . "\n";
		END
	done
	start_warm
	ask get "$T/warns-w.pl"
	has_line "[1] $(template)"
	logged 'uninitialized value .*warns-w.pl line 2'
	ask get "$T/warns.pl"
	has_line "[0] $(template)"
}

@test "nothing is left in the script's name space, and no pragma" {
	perl_script names <<-'END'
		print "Content-Type: text/plain\n\n", map { "$_\n" } sort grep { !/^_<|^Probe/ } keys %main::;
		print map { "$_\n" } sort grep { !/Probe/ } keys %INC;
		BEGIN { print "hints $^H ", defined ${^WARNING_BITS} ? 1 : 0, "\n" }
	END
	same_as_cold names
}

@test "the environment is that of a cold start" {
	perl_script environment <<-'END'
		print "Content-Type: text/plain\n\n", map { "$_=$ENV{$_}\n" } sort keys %ENV;
		system 'env | sort | grep -v ^_=';
	END
	same_as_cold environment QUERY_STRING='a=b&c=d' HTTP_X='ü"\\ = x' EMPTY= PATH_INFO=/x
	has_line 'HTTP_X=ü"\ = x' EMPTY=
}

@test "descriptors, directory, group and signals are those of a cold start" {
	perl_script state <<-'END'
		print "Content-Type: text/plain\n\n";
		for my $fd (0 .. 50) {
			my $what = readlink "/proc/self/fd/$fd";
			print "$fd ", $what =~ s/[0-9]+|\/memfd.*|\/tmp.*//gr, "\n" if defined $what;
		}
		open my $file, '<', '/proc/self/status';
		for (grep { /^Sig[^Q]|^Shd|^Cap|^Groups|^NoNew|^Umask/ } <$file>) {
			# Signals 32 and 33 belong to the C library, which changes them with the first thread.
			s/(?<=^SigIgn:\t)(\w+)/sprintf '%x', hex($1) & ~0x180000000/e;
			print;
		}
		print getpgrp == $$ ? "leads\n" : "is led\n", readlink '/proc/self/cwd', "\n";
		print ${^TAINT}, " $;", " [$,] [$\\] [$/]\n";
	END
	same_as_cold state
	has_line "is led"
}

@test "a script may begin a session or a process group, as in a cold start" {
	perl_script session <<-'END'
		use POSIX ();
		print "Content-Type: text/plain\n\n", POSIX::setsid() == $$ ? "session\n" : "no session: $!\n";
	END
	perl_script group <<-'END'
		print "Content-Type: text/plain\n\n", setpgrp(0, 0) && getpgrp == $$ ? "group\n" : "no group: $!\n";
	END
	same_as_cold session
	has_line session
	stop wrapper
	same_as_cold group
	has_line group
}

@test "what a request was told is not in the memory of the next one" {
	# The pattern is written so that it does not match itself.
	perl_script search <<-'END'
		print "Content-Type: text/plain\n\n";
		open my $maps, '<', '/proc/self/maps' or die;
		open my $memory, '<', '/proc/self/mem' or die;
		my $found = 0;
		while (<$maps>) {
			my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
			sysseek $memory, hex $from, 0;
			sysread $memory, my $bytes, hex($to) - hex $from or next;
			$found++ while $bytes =~ /the[ _]first[ _]secret/g;
		}
		print "found $found\n";
	END
	start_warm
	ask get "$T/search.pl" QUERY_STRING="$(printf 'x%.0s' {1..5000})the first secret"
	lacks 'found 0'
	ask get "$T/search.pl" QUERY_STRING=none
	has_line 'found 0'
	was_warm search
}

@test "requests do not see each other" {
	mkdir "$T/other"
	perl_script touches <<-'END'
		print "Content-Type: text/plain\n\n", join(' ', $Probe::state, $global // 'none', $ENV{MINE} // 'none',
			umask, $SIG{USR1} // 'none', readlink '/proc/self/cwd',
			scalar(grep { $_ eq 'mine' } @INC), main->can('late') ? 1 : 0), "\n";
		$Probe::state = $global = $ENV{MINE} = 'mine';
		umask 0077;
		$SIG{USR1} = 'IGNORE';
		push @INC, 'mine';
		eval 'sub late { }';
		chdir 'other' or die;
	END
	start_warm
	ask get "$T/touches.pl"
	local first=$output
	has 'untouched none none'
	ask get "$T/touches.pl"
	[ "$output" = "$first" ]
}

@test "random numbers differ, even when a module has begun with them" {
	echo 'srand 1; rand; 1;' >>"$T/lib/Probe.pm"
	perl_script random <<-'END'
		print "Content-Type: text/plain\n\n", rand, "\n";
	END
	start_warm
	ask get "$T/random.pl"
	local first=$output
	ask get "$T/random.pl"
	[ "$output" != "$first" ]
}

@test "what a module prints when it is loaded is in no answer" {
	sed -i '1a print "spoilt"; print STDERR "complained\\n";' "$T/lib/Probe.pm"
	start_warm
	starts warm
	lacks spoilt
	logged complained
}

@test "FindBin, exec and fork work" {
	perl_script tools <<-'END'
		use FindBin;
		use POSIX ();
		$| = 1;
		print "Content-Type: text/plain\n\n$FindBin::Bin/$FindBin::Script\n";
		my $pid = fork;
		if (!$pid) { print "child\n"; POSIX::_exit(3) }
		waitpid $pid, 0;
		print $? >> 8, "\n";
		exec 'echo', 'executed';
	END
	start_warm
	ask get "$T/tools.pl"
	has_line "$(realpath "$T")/tools.pl" child 3 executed
}

@test "a body arrives" {
	perl_script body <<-'END'
		local $/;
		my $body = <STDIN>;
		print "Content-Type: text/plain\n\n", length $body, "\n";
	END
	head -c 300000 /dev/zero >"$T/body"
	start_warm
	ask request "$T/body.pl" CONTENT_LENGTH=300000 stdin-file "$T/body" stdin-end read
	has_line 300000
	was_warm body
}

# What ends a script. --------------------------------------------------------------------------

@test "a script that takes too long is ended, by its group" {
	perl_script sleeps <<-'END'
		$| = 1;
		print "Content-Type: text/plain\n\n", getpgrp, "\n";
		system 'sleep 1000';
	END
	start_warm --timeout 1
	start_client client get "$T/sleeps.pl"
	in_file '^[0-9]+$' "$T/client.out"
	local group
	group=$(grep -xE '[0-9]+' "$T/client.out")
	kill -0 -- "-$group"
	logged 'sleeps.pl.*ended after'
	eventually not kill -0 -- "-$group"
	starts warm
}

@test "a script whose client has left is ended" {
	perl_script waits <<-'END'
		$| = 1;
		print "Content-Type: text/plain\n\n$$\n";
		sleep 1000;
	END
	start_warm
	start_client client get "$T/waits.pl"
	in_file '^[0-9]+$' "$T/client.out"
	stop client
	eventually gone "$(grep -xE '[0-9]+' "$T/client.out")"
}

@test "scripts and templates die with fcgiwrap" {
	perl_script stays <<-'END'
		$| = 1;
		print "Content-Type: text/plain\n\n$$\n";
		sleep 1000;
	END
	start_warm
	local template
	template=$(template)
	start_client client get "$T/stays.pl"
	in_file '^[0-9]+$' "$T/client.out"
	kill -KILL "$(worker)"
	eventually gone "$template"
	eventually gone "$(grep -xE '[0-9]+' "$T/client.out")"
	kill -KILL "$(pid_of client)" || :
}

@test "a template ends when fcgiwrap has stopped" {
	start_warm
	local template
	template=$(template)
	stop wrapper
	[ "$STATUS" = 0 ]
	eventually gone "$template"
}

@test "limits are those of a cold start, and a template may outlast its processor time" {
	perl_script limits <<-'END'
		print "Content-Type: text/plain\n\n";
		open my $file, '<', '/proc/self/limits';
		print <$file>;
		print getpriority 0, 0;
	END
	start_wrapper -c 1 --warm "$PERL=Probe" --limit cpu=7 --limit nofile=99 --limit as=900m --nice 3
	eventually starts warm
	local template
	template=$(template)
	ask get "$T/limits.pl"
	local warm=$output
	has_line $(($(nice) + 3))
	[[ $(grep 'cpu time' "/proc/$template/limits") != *' 7 '* ]]
	stop wrapper
	start_wrapper -c 1 --limit cpu=7 --limit nofile=99 --limit as=900m --nice 3
	ask get "$T/limits.pl"
	[ "$output" = "$warm" ]
	[[ $output == *'cpu time'*7*8* ]]
}

# Where a script may be, and where it runs. ----------------------------------------------------

@test "--root confines warm scripts too, and they run in their directory" {
	mkdir "$T/www" "$T/outside"
	perl_script where <<-'END'
		print "Content-Type: text/plain\n\n$0 ", __FILE__, ' ', readlink '/proc/self/cwd', " $Probe::loader\n";
	END
	mv "$T/where.pl" "$T/www"
	cp "$T/www/where.pl" "$T/outside"
	mv "$T/probe.pl" "$T/www"
	ln -s www/probe.pl "$T/probe.pl"
	ln -s ../outside/where.pl "$T/www/link.pl"
	start_warm --root "$T/www"
	ask get "$T/www/where.pl"
	has_line "./where.pl ./where.pl $(realpath "$T/www") $(template)"
	ask get "$T/www/link.pl"
	has 'Status: 404'
	ask get "$T/outside/where.pl"
	has 'Status: 404'
}

@test "FCGI_CHDIR says where a warm script runs" {
	mkdir "$T/there" "$T/closed"
	perl_script where <<-'END'
		print "Content-Type: text/plain\n\n", readlink '/proc/self/cwd', " $Probe::loader\n";
	END
	start_warm
	ask get "$T/where.pl" FCGI_CHDIR="$T/there"
	has_line "$(realpath "$T/there") $(template)"
	ask get "$T/where.pl" FCGI_CHDIR=-
	has_line "$(readlink "/proc/$(worker)/cwd") $(template)"
	ask get "$T/where.pl" FCGI_CHDIR="$T/missing"
	has 'Status: 403'
	logged 'cannot change to its directory .*/missing: No such file'
}

# What is started cold. -----------------------------------------------------------------------

@test "scripts with other switches and interpreters are started cold" {
	local switch

	for switch in -T -l -wT -s; do
		perl_script "switch$switch" $switch <<-'END'
			print "Content-Type: text/plain\n\n", $INC{'Probe.pm'} ? 'warm' : 'cold', " ${^TAINT}\n";
		END
	done
	start_warm
	for switch in -T -l -wT -s; do
		ask get "$T/switch$switch.pl"
		has cold
	done
	sed "1s|.*|#!/usr/bin/env perl|" "$T/probe.pl" | script env.pl
	ask get "$T/env.pl"
	has cold
	ask get "$CGI/hello.sh"
	has hello
}

@test "scripts with odd names, encodings, sizes and much environment are started cold" {
	start_warm --max-params 1m
	cp "$T/probe.pl" "$T/a\"b.pl"
	ask get "$T/a\"b.pl"
	has cold
	cp "$T/probe.pl" "$T/a b\\c"
	ask get "$T/a b\\\\c"
	has warm
	local big
	big=$(head -c 100000 /dev/zero | tr '\0' x)
	ask get "$T/probe.pl" ONE="$big" TWO="$big"
	has cold
	{ cat "$T/probe.pl"; echo __END__; head -c 2000000 /dev/zero; } | script huge.pl
	ask get "$T/huge.pl"
	has cold
	{ cat "$T/probe.pl"; echo __END__; head -c 200000 /dev/zero; } | script large.pl
	ask get "$T/large.pl"
	has warm
}

# When there is no template. ------------------------------------------------------------------

@test "a module that is missing is told once, and scripts are started cold" {
	start_wrapper -c 1 --warm "$PERL=Probe,Missing::Module"
	logged "--warm $PERL=Probe,Missing::Module: .*started cold"
	logged "Can't locate Missing/Module.pm"
	local i
	for i in 1 2 3; do
		starts cold
		sleep 0.3
	done
	logged_times 1 'started cold'
	logged_times 1 "Can't locate Missing/Module.pm"
	mkdir "$T/lib/Missing"
	echo '1;' >"$T/lib/Missing/Module.pm"
	eventually -t 30 starts warm
	logged 'started warm again'
}

@test "a template that was killed is replaced" {
	start_warm
	local template
	template=$(template)
	kill -KILL "$template"
	ask get "$T/probe.pl"
	has Content-Type
	eventually starts warm
	[ "$(template)" != "$template" ]
	logged 'template has died'
}

# A script that leaves a line in $T/count each time that it runs.
make_counts() {
	perl_script counts <<-'END'
		open my $file, '>>', 'count';
		syswrite $file, "x\n";
		print "Content-Type: text/plain\n\nok\n";
	END
}

@test "templates that die under load lose no request, and run none twice" {
	make_counts
	start_warm
	start crowd "$FCGI_TALK" -n 600 -j 8 "$SOCKET" get "$T/counts.pl" expect-text ok
	local i template
	for i in {1..8}; do
		sleep 0.1
		template=$(children_of "$(worker)" | head -n 1)
		grep -qs Probe "/proc/$template/cmdline" && kill -KILL "$template"
	done
	await crowd 60
	grep -qx 'ok=600 failed=0' "$T/crowd.out"
	[ "$(wc -l <"$T/count")" = 600 ]
}

@test "a template that is stuck is replaced, and the request answered once" {
	make_counts
	start_warm
	local template
	template=$(template)
	kill -STOP "$template"
	ask get "$T/counts.pl"
	has_line ok
	[ "$(wc -l <"$T/count")" = 1 ]
	eventually gone "$template"
	logged 'does not answer'
	eventually starts warm
}

@test "a template that is stuck delays one request, once" {
	start_warm
	kill -STOP "$(template)"
	local begin=$EPOCHREALTIME took
	crowd 6 6 get "$T/probe.pl" expect-text text/plain
	took=$((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}))
	echo "took $took us"
	[ "$took" -lt 4000000 ]
	logged 'does not answer'
	eventually starts warm
	logged_times 1 'does not answer'
}

@test "an interpreter of another word size is not tried" {
	local class

	class=$(head -c 5 "$PERL" | tail -c 1 | od -An -tu1)
	cp "$PERL" "$T/perl-other"
	printf "\\x0$((3 - class))" | dd of="$T/perl-other" bs=1 seek=4 conv=notrunc status=none
	start_wrapper -c 1 --warm "$T/perl-other=Probe" --warm "$PERL=Probe"
	logged_times 1 "--warm $T/perl-other=Probe: .*another word size"
	eventually starts warm
	logged_times 1 'started cold'
}

@test "a template that has no room for descriptors is done without" {
	start_wrapper -c 1 --warm "$PERL=Probe" --limit nofile=8
	eventually eval 'starts cold && grep -q "a script cannot be started: " "$T/log"'
	sleep 1
	starts cold
	logged_times 1 'started cold'
}

@test "options that cannot be are refused" {
	local rule

	for rule in perl=CGI "$PERL" "$PERL=" "$PERL=A,,B" "$PERL=A:B" "$PERL=A;die" \
		/missing/perl=CGI /bin/sh=CGI; do
		run timeout 10 "$FCGIWRAP" --warm "$rule" </dev/null
		[ "$status" = 1 ]
		has "--warm"
		lacks 'not a listening socket'
	done
	run timeout 10 "$FCGIWRAP" --warm "$PERL=A" --warm "$PERL=B" </dev/null
	[ "$status" = 1 ]
	has 'has modules already'
}
