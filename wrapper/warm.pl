# The template of warm starts (see warm.h): loads modules, then forks a process for each script.
#
# An interpreter runs this before its main program, which it will read from descriptor 3. In a new
# process the script takes the place of that descriptor and this text ends, so that the interpreter
# goes on to the script as its main program. Nothing may be left behind for it to see: hence no
# modules, no handles, no variables but lexical ones. What perl has no words for are system calls,
# whose strings must be variables.

my ($numbers, $worker, $cpu, $most, $flags, $modules) = splice @ARGV;
my ($clone, $close, $dup3, $fchdir, $prctl, $prlimit, $read, $recvmsg, $setpgid, $write) =
	map { 0 + $_ } split /,/, $numbers;
my ($source, $talk, $mask, $said) = (3, 4, umask, 'ready');

for my $module (split /,/, $modules) {
	require($module =~ s{::}{/}gr . '.pm');
}
umask $mask;
# A module may have printed something, which is nobody's answer.
my $unbuffered = $|;
$| = 1;
$| = $unbuffered;
syscall $write, $talk, $said, length $said;

# What the system fills in: an order, and descriptors beside it.
my $order = "\0" x $most;
my $beside = "\0" x 64;
my $place = pack 'L!2', unpack('L!', pack 'P', $order), length $order;
my $head = length pack 'L! i2';
my $form = 'L! I x![L!] L!4 I x![L!]';
my ($size, $child, $answer, @given);

do {
	my $call = pack $form, 0, 0, unpack('L!', pack 'P', $place), 1,
		unpack('L!', pack 'P', $beside), length $beside, 0;
	my $length;

	syscall $close, $_ for @given;
	substr $beside, 0, $head, "\0" x $head;
	$size = syscall $recvmsg, $talk, $call, 0x40000000; # MSG_CMSG_CLOEXEC
	kill KILL => $$ if $size <= 0;
	$length = unpack 'L!', $beside;
	@given = $length > $head ? unpack 'i*', substr $beside, $head, $length - $head : ();
	if ((unpack $form, $call)[-1] & 8) { # MSG_CTRUNC
		($child, $!) = (-1, 24); # EMFILE
	} else {
		# Its parent is the worker.
		$child = syscall $clone, 0 + $flags, 0, 0, 0, 0;
	}
	if ($child < 0 && @given) {
		$said = '-' . (0 + $!);
		syscall $write, $given[0], $said, length $said;
	}
	# The next process is not to find what was in this order.
	substr $order, 0, $size, "\0" x $size if $child != 0;
} while $child != 0;

my ($group, $name, @environment) = unpack '(Z*)*', substr $order, 0, $size;

syscall $prctl, 1, 9; # PR_SET_PDEATHSIG, SIGKILL
kill KILL => $$ if getppid != $worker;
# The script does not lead the group, so that it may begin one of its own, and a session.
syscall($setpgid, 0, 0 + $group) == 0 or kill KILL => $$;
if ($cpu) {
	my $limit = pack 'H*', $cpu;

	syscall $prlimit, 0, 0, $limit, 0; # RLIMIT_CPU
}
$answer = shift @given;
for my $number (0 .. $source) {
	# O_CLOEXEC for the source
	syscall($dup3, $given[$number], $number, $number == $source ? 0x80000 : 0) == $number or
		kill KILL => $$;
}
if (@given > 4) {
	syscall($fchdir, $given[4]) == 0 or kill KILL => $$;
}
# Nobody may be waiting any more: then the script is started in another way.
$said = "$$";
syscall($write, $answer, $said, length $said) > 0 or kill KILL => $$;
syscall($read, $answer, $said, 1) == 1 or kill KILL => $$;
syscall $close, $_ for $talk, $answer, @given;

%ENV = map { split /=/, $_, 2 } @environment;
$0 = $name;
# perl has used the beginning of the path; the system does it with the file's name.
$name = substr $name, 1 + rindex $name, '/';
syscall $prctl, 15, $name; # PR_SET_NAME
$^T = time;
srand;
$! = 0;
1;
