#!/usr/bin/env perl
# A form with files, as CGI.pm reads it: each field, and each file's name, size and MD5.
use strict;
use warnings;
use CGI;
use Digest::MD5;

my $form = CGI->new;
print $form->header('text/plain');
print 'error: ', $form->cgi_error, "\n" if $form->cgi_error;
for my $name (sort $form->param) {
	my $file = $form->upload($name);
	if (!defined $file) {
		print "field $name=", scalar $form->param($name), "\n";
		next;
	}
	binmode $file;
	my $sum = Digest::MD5->new->addfile($file)->hexdigest;
	printf "file %s=%s size=%d md5=%s\n", $name, scalar $form->param($name), -s $file, $sum;
}
