# Medians and ratios: a table for people, and a file of tab-separated lines for programs:
# case, title, group, contender, metric, unit, median, the value of each round.
package Results;

use strict;
use warnings;
use Exporter 'import';
use POSIX qw(strftime uname);

our @EXPORT = qw(results_open results_close results_add results_errors results_note);

my ($file, $path, $errors_of_ours, @glance);

sub results_open {
	my $scale;

	($path, $scale) = @_;
	$errors_of_ours = 0;
	@glance = ();
	open $file, '>', $path or die "$path: $!\n";
	printf $file "# fcgi-bridge bench, %s, %s\n", $scale, strftime('%Y-%m-%d %H:%M', gmtime);
	printf $file "# %s %s %s\n", (uname())[0, 2, 4];
}

# What a reader must know, on the screen and in the file; the load says how quiet it was.
sub results_note {
	my ($text) = @_;
	my ($load) = `uptime` =~ /average\w*: (.*)/;

	print "note: $text; load $load\n";
	print $file "# note: $text; load $load\n";
}

sub results_close {
	print_glance() if @glance;
	close $file or die "$path: $!\n";
	print "\nFigures: $path\n";
}

# Errors of our own programs; a peer may fail, that is a figure.
sub results_errors {
	return $errors_of_ours;
}

sub median {
	my @sorted = sort { $a <=> $b } @_;

	return undef unless @sorted;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# All that was measured of one metric, round by round.
sub series {
	my ($rounds, $metric) = @_;

	return grep { defined } map { $_->{$metric} } @$rounds;
}

# Round by round, since what disturbs a machine disturbs neighbours alike. More is better.
sub ratio {
	my ($case, $rounds, $reference, $metric) = @_;
	my $less = ($case->{better} // '') eq 'less' || defined $metric;
	my @ratios;

	$metric //= $case->{figure};
	for my $i (0 .. $#$rounds) {
		my ($x, $y) = ($rounds->[$i]{$metric}, $reference->[$i]{$metric});
		($x, $y) = ($y, $x) if $less;
		push @ratios, $x / $y if defined $x && $y;
	}
	return median(@ratios);
}

# The best of those whose name fits, and its rounds.
sub best {
	my ($case, $all, $names) = @_;
	my $sign = ($case->{better} // '') eq 'less' ? -1 : 1;
	my $worth = sub { $sign * median(series($_[0], $case->{figure})) };
	my ($best) = sort { $worth->($b) <=> $worth->($a) } map { $all->{$_} } @$names;

	return $best;
}

sub short {
	my ($value, $digits) = @_;

	return '-' unless defined $value;
	$digits //= $value < 10 ? 2 : $value < 100 ? 1 : 0;
	return sprintf "%.${digits}f", $value;
}

sub write_lines {
	my ($case, $name, $rounds, %ratios) = @_;
	my %metrics = map { map { $_ => 1 } keys %$_ } @$rounds;
	my @head = (@$case{qw(name title group)}, $name);

	for my $metric (sort grep { $_ ne 'note' } keys %metrics) {
		my @values = series($rounds, $metric);
		my $unit = $metric eq $case->{figure} ? $case->{unit} : '';
		print $file join("\t", @head, $metric, $unit, median(@values), join(',', @values)),
			"\n";
	}
	for my $ratio (sort grep { defined $ratios{$_} } keys %ratios) {
		print $file join("\t", @head, $ratio, 'ratio', $ratios{$ratio}, ''), "\n";
	}
}

my $row = "%-30s %9s %7s %7s %8s %8s %8s %8s %8s %7s %7s %6s  %s\n";

sub print_head {
	my ($case, $rounds) = @_;

	printf "\n%s (%s; median of %d)\n", $case->{title}, $case->{unit}, $rounds;
	printf $row, '', $case->{unit}, '/floor', '/also', '/classic', 'p50 us', 'p99 us',
		'cpu us/r', 'cpu s', 'Pss kB', 'HWM kB', 'errors', '';
}

sub print_row {
	my ($case, $name, $rounds, %ratios) = @_;
	my %m = map { $_ => median(series($rounds, $_)) }
		$case->{figure}, qw(p50 p99 cpu_each cpu pss hwm errors slower);
	my $note = $rounds->[-1]{note} // '';

	$note .= sprintf '; %.2f times slower', $m{slower} if $m{slower};
	printf $row, $name, short($m{$case->{figure}}),
		(map { short($ratios{$_}) } qw(of_floor of_also of_classic)),
		(map { short($m{$_}, 0) } qw(p50 p99 cpu_each)),
		short($m{cpu}), short($m{pss}, 0), short($m{hwm}, 0), short($m{errors}, 0), $note;
}

# Ours beside the other build and the classic: what is measured, and the time that one request in
# a hundred exceeds. Above 1 ours is better.
sub print_glance {
	my $line = "%-44s %8s %8s %8s %7s %8s   %8s %8s %8s %7s %8s\n";
	my @names = qw(ours also classic /also /classic);

	printf "\nAt a glance\n%-87s   %s\n", '', 'p99 us';
	printf $line, '', @names, @names;
	for my $entry (@glance) {
		my ($case, $title, @three) = @$entry;
		my @cells = map {
			my ($figure, $metric) = ($_ // $case->{figure}, $_);
			((map { short($_ && median(series($_, $figure))) } @three),
				map { short($_ && ratio($case, $three[0], $_, $metric)) } @three[1, 2]);
		} undef, 'p99';

		printf $line, substr($title, 0, 44), @cells;
	}
}

# How the contenders of the case's comparison stand to each other, as times of the second.
sub print_comparison {
	my ($case, $rounds) = @_;
	my ($name, $reference, $target) = @{$case->{compare}};
	my $ratio = $rounds->{$name} && $rounds->{$reference} &&
		ratio($case, $rounds->{$reference}, $rounds->{$name}) or return;

	printf "%s: %.2f times %s (target: at most %s): %s\n", $name, $ratio, $reference, $target,
		$ratio <= $target ? 'held' : 'MISSED';
	print $file join("\t", @$case{qw(name title group)}, $name, 'compared', 'ratio', $ratio,
		''), "\n";
}

sub results_add {
	my ($case, $names, $rounds) = @_;
	my $is_floor = $case->{floor} // qr/floor/;
	my $floor = best($case, $rounds, [grep { /^$is_floor/ } @$names]);
	my $classic = best($case, $rounds, [grep { /classic/ } @$names]);
	my ($of_eight) = grep { /classic -c 8\b/ } @$names;
	my ($first) = grep { /\bours\b/ } @$names;

	return unless @$names;
	print_head($case, scalar @{$rounds->{$names->[0]}});
	for my $name (@$names) {
		my $mine = $rounds->{$name};
		my $other = $name =~ /\bours\b/ ? $rounds->{$name =~ s/\bours\b/also/r} : undef;
		my %ratios = (
			of_also => $other && ratio($case, $mine, $other),
			of_floor => $floor && ratio($case, $mine, $floor),
			of_classic => $classic && ratio($case, $mine, $classic),
		);

		write_lines($case, $name, $mine, %ratios);
		print_row($case, $name, $mine, %ratios);
		next unless $name =~ /^our/;
		$errors_of_ours += $_ for series($mine, 'errors');
	}
	print_comparison($case, $rounds) if $case->{compare};
	push @glance, [$case, $case->{title}, $rounds->{$first},
		$rounds->{$first =~ s/\bours\b/also/r}, $of_eight ? $rounds->{$of_eight} : $classic]
		if $first;
}

1;
