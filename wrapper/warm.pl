# The template of warm starts (see warm.h): loads modules, then forks a process for each script.
#
# An interpreter runs this before its main program, which it will read from descriptor 3. In a new
# process the script takes the place of that descriptor and this text ends, so that the interpreter
# goes on to the script as its main program. Nothing may be left behind for it to see: hence no
# modules, no handles, no variables but lexical ones. What perl has no words for are system calls,
# whose strings must be variables.

my ($numbers, $worker, $cpu, $most, $flags, $modules) = splice @ARGV;
my ($clone, $close, $dup3, $fchdir, $prctl, $prlimit, $recvmsg, $setsid, $write) =
	map { 0 + $_ } split /,/, $numbers;
my ($script, $talk, $mask, $said) = (3, 4, umask, 'ready');

for my $module (split /,/, $modules) {
	require($module =~ s{::}{/}gr . '.pm');
}
umask $mask;
# A module may have printed something, which is nobody's answer.
my $unbuffered = $|;
$| = 1;
$| = $unbuffered;
syscall $write, $talk, $said, length $said;

# What the system fills in: a message, and descriptors beside it.
my $message = "\0" x $most;
my $beside = "\0" x 64;
my $place = pack 'L!2', unpack('L!', pack 'P', $message), length $message;
my $head = length pack 'L! i2';
my $form = 'L! I x![L!] L!4 I x![L!]';
my ($size, $child, @given);

do {
	my $call = pack $form, 0, 0, unpack('L!', pack 'P', $place), 1,
		unpack('L!', pack 'P', $beside), length $beside, 0;

	syscall $close, $_ for @given;
	$size = syscall $recvmsg, $talk, $call, 0x40000000; # MSG_CMSG_CLOEXEC
	kill KILL => $$ if $size <= 0;
	@given = unpack 'i*', substr $beside, $head, unpack('L!', $beside) - $head;
	if ((unpack $form, $call)[-1] & 8) { # MSG_CTRUNC
		($child, $!) = (-1, 24); # EMFILE
	} else {
		# Its parent is the worker.
		$child = syscall $clone, 0 + $flags, 0, 0, 0, 0;
	}
	if ($child < 0) {
		$said = '-' . (0 + $!);
		syscall $write, $talk, $said, length $said;
	}
	# The next process is not to find what this one was told.
	substr $message, 0, $size, "\0" x $size if $child != 0;
} while $child != 0;

syscall $prctl, 1, 9; # PR_SET_PDEATHSIG, SIGKILL
kill KILL => $$ if getppid != $worker;
syscall $setsid;
if ($cpu) {
	my $limit = pack 'H*', $cpu;

	syscall $prlimit, 0, 0, $limit, 0; # RLIMIT_CPU
}
for my $number (0 .. $script) {
	# O_CLOEXEC for the script
	syscall($dup3, $given[$number], $number, $number == $script ? 0x80000 : 0) == $number or
		kill KILL => $$;
}
if (@given > 4) {
	syscall($fchdir, $given[4]) == 0 or kill KILL => $$;
}
# If nobody can take this answer, the script is started in another way.
$said = "$$";
syscall($write, $talk, $said, length $said) > 0 or kill KILL => $$;
syscall $close, $_ for $talk, @given;

my ($name, @environment) = unpack '(Z*)*', substr $message, 0, $size;
%ENV = map { split /=/, $_, 2 } @environment;
$0 = $name;
# perl has used the beginning of the path; the system does it with the file's name.
$name = substr $name, 1 + rindex $name, '/';
syscall $prctl, 15, $name; # PR_SET_NAME
$^T = time;
srand;
$! = 0;
1;
