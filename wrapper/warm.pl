# The template of warm starts (see warm.h): loads modules, then forks a process for each script.
#
# perl runs this driver before the main program, which perl reads from descriptor 3. In a new
# process the source of the script replaces descriptor 3 and the driver ends, so that perl goes on
# to the script as main program. The script must see no traces of the driver: hence no modules, no
# handles, and only lexical variables. syscall does what perl has no function for; its strings must
# be variables.

my ($numbers, $worker, $cpu, $most, $flags, $modules) = splice @ARGV;
my ($clone, $close, $dup3, $fchdir, $prctl, $prlimit, $recvmsg, $setpgid, $write) =
	map { 0 + $_ } split /,/, $numbers;
my ($source, $talk, $mask, $said) = (3, 4, umask, 'ready');

for my $module (split /,/, $modules) {
	require($module =~ s{::}{/}gr . '.pm');
}
umask $mask;
# Flush output of modules, which would otherwise begin the response of each script.
my $unbuffered = $|;
$| = 1;
$| = $unbuffered;
syscall $write, $talk, $said, length $said;

# Buffers for recvmsg: an order, a task, and descriptors (SCM_RIGHTS). Only new processes receive a
# task, so that none finds the task of another.
my ($order, $task, $beside) = map { "\0" x $_ } 24, $most, 64;
my ($order_place, $task_place) =
	map { pack 'L!2', unpack('L!', pack 'P', $_), length } $order, $task;
my $head = length pack 'L! i2';
my $form = 'L! I x![L!] L!4 I x![L!]';
my ($call, $size, $child, @given);

do {
	syscall $close, $_ for @given;
	$call = pack $form, 0, 0, unpack('L!', pack 'P', $order_place), 1,
		unpack('L!', pack 'P', $beside), $head + 4, 0;
	$size = syscall $recvmsg, $talk, $call, 0x40000000; # MSG_CMSG_CLOEXEC
	kill KILL => $$ if $size <= 0;
	# Without the descriptor of the order, no answer is possible.
	@given = (unpack $form, $call)[-1] & 8 ? () : unpack 'i', substr $beside, $head; # MSG_CTRUNC
	# CLONE_PARENT: the worker is the parent of the new process.
	$child = @given ? syscall $clone, 0 + $flags, 0, 0, 0, 0 : -1;
	if ($child < 0 && @given) {
		$said = '-' . (0 + $!);
		syscall $write, $given[0], $said, length $said;
	}
} while $child != 0;

my ($answer, $group) = ($given[0], unpack 'Z*', $order);

syscall $prctl, 1, 9; # PR_SET_PDEATHSIG, SIGKILL
kill KILL => $$ if getppid != $worker;
# The script is no group leader, and so may call setpgid and setsid.
syscall($setpgid, 0, 0 + $group) == 0 or kill KILL => $$;
if ($cpu) {
	my $limit = pack 'H*', $cpu;

	syscall $prlimit, 0, 0, $limit, 0; # RLIMIT_CPU
}
$said = "$$";
syscall($write, $answer, $said, length $said) > 0 or kill KILL => $$;
$call = pack $form, 0, 0, unpack('L!', pack 'P', $task_place), 1,
	unpack('L!', pack 'P', $beside), length $beside, 0;
$size = syscall $recvmsg, $answer, $call, 0x40000000;
kill KILL => $$ if $size <= 0;
if ((unpack $form, $call)[-1] & 8) {
	$said = '-24'; # EMFILE
	syscall $write, $answer, $said, length $said;
	kill KILL => $$;
}
@given = unpack 'i*', substr $beside, $head, unpack('L!', $beside) - $head;
for my $number (0 .. $source) {
	# O_CLOEXEC for the source
	syscall($dup3, $given[$number], $number, $number == $source ? 0x80000 : 0) == $number or
		kill KILL => $$;
}
if (@given > 4) {
	syscall($fchdir, $given[4]) == 0 or kill KILL => $$;
}
# If the worker no longer waits for the answer, it starts the script cold.
$said = '0';
syscall($write, $answer, $said, 1) > 0 or kill KILL => $$;
syscall $close, $_ for $talk, $answer, @given;

my ($name, @environment) = unpack '(Z*)*', substr $task, 0, $size;

%ENV = map { split /=/, $_, 2 } @environment;
$0 = $name;
# perl has named the process by the beginning of the path, execve would by the file's name.
$name = substr $name, 1 + rindex $name, '/';
syscall $prctl, 15, $name; # PR_SET_NAME
$^T = time;
srand;
$! = 0;
1;
