# Who takes part: how each is started, and what it needs to be here. A peer is a function that
# starts it and returns { address, leaders => [pids], programs => those of its workers, if they are
# other than the leaders' }, or nothing after a note.
package Peers;

use strict;
use warnings;
use Cwd 'abs_path';
use Exporter 'import';
use Processes;

our @EXPORT = qw(peer_start peer_stop peers_setup find_program);

my %at;			# folder, www and the programs: fcgiwrap, spawn, also, classic, responder
my $number = 0;

sub peers_setup {
	%at = @_;
}

# A program of this name, or the file that it names; servers are often not in PATH.
sub find_program {
	my ($name) = @_;

	return -x $name ? $name : undef if $name =~ m{/};
	for my $folder (split(/:/, $ENV{PATH}), '/usr/local/sbin', '/usr/sbin', '/sbin') {
		my ($found) = grep { -x } glob "$folder/$name";
		return $found if $found;
	}
	return undef;
}

sub write_file {
	my ($path, $text) = @_;

	open my $file, '>', $path or die "$path: $!\n";
	print $file $text;
	close $file or die "$path: $!\n";
	return $path;
}

# A server that accepts at the address once it has started.
sub server {
	my ($address, @command) = @_;
	my $pid = launch("$at{folder}/log", @command);

	if (!await_listener($pid, $address)) {
		end_process($pid, 1);
		die "$command[0] did not start (see the end of its log):\n" . log_end();
	}
	return { address => $address, leaders => [$pid] };
}

sub log_end {
	my $tail = `tail -n 5 '$at{folder}/log'`;

	return $tail =~ s/^/\t/mgr;
}

sub new_socket {
	return "unix:$at{folder}/" . ++$number . '.sock';
}

# With room for the many connections of some cases, as far as we may.
sub with_descriptors {
	return ('/bin/sh', '-c',
		'ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', @_);
}

sub wrapper {
	my ($program, $is_tcp, @options) = @_;
	my $address = $is_tcp ? 'tcp:127.0.0.1:' . free_port() : new_socket();

	return server($address, with_descriptors($program, '-s', $address, @options));
}

# Web servers ===================================================================================

sub nginx {
	my ($wrapper) = @_;
	my $nginx = find_program('nginx') or return absent('nginx');
	my ($upstream, $port) = ($wrapper->{address} =~ s/^tcp://r, free_port());
	my $folder = "$at{folder}/nginx" . ++$number;
	my $user = $< == 0 ? 'user root;' : '';
	my $temporary = join '', map { "${_}_temp_path $folder/$_;\n" }
		qw(client_body fastcgi proxy scgi uwsgi);
	my $server;

	mkdir $folder;
	write_file("$folder/conf", <<"	END");
		daemon off; $user
		worker_processes 2;
		pid $folder/pid;
		error_log $folder/log error;
		events { worker_connections 1024; }
		http {
			access_log off;
			$temporary
			upstream wrapper { server $upstream; keepalive 64; }
			keepalive_requests 1000000;
			server {
				listen 127.0.0.1:$port backlog=1024;
				location / {
					fastcgi_pass wrapper;
					fastcgi_keep_conn $wrapper->{keep};
					fastcgi_param REQUEST_METHOD \$request_method;
					fastcgi_param QUERY_STRING \$query_string;
					fastcgi_param CONTENT_TYPE \$content_type;
					fastcgi_param CONTENT_LENGTH \$content_length;
					fastcgi_param REQUEST_URI \$request_uri;
					fastcgi_param SERVER_PROTOCOL \$server_protocol;
					fastcgi_param REMOTE_ADDR \$remote_addr;
					fastcgi_param SERVER_NAME \$server_name;
					fastcgi_param SCRIPT_NAME \$uri;
					fastcgi_param SCRIPT_FILENAME $at{www}\$uri;
				}
			}
		}
	END
	$server = server("tcp:127.0.0.1:$port",
		$nginx, '-p', $folder, '-c', "$folder/conf", '-e', "$folder/log");
	push @{$server->{leaders}}, @{$wrapper->{leaders}};
	return $server;
}

sub lighttpd {
	my $lighttpd = find_program('lighttpd') or return absent('lighttpd');
	my $port = free_port();
	my $conf = write_file("$at{folder}/lighttpd" . ++$number, <<"	END");
		server.document-root = "$at{www}"
		server.bind = "127.0.0.1"
		server.port = $port
		server.modules = ( "mod_cgi" )
		server.max-fds = 4096
		server.listen-backlog = 1024
		cgi.assign = ( "" => "" )
	END

	return server("tcp:127.0.0.1:$port", $lighttpd, '-D', '-f', $conf);
}

sub apache_modules {
	my ($folder) = grep { defined && -e "$_/mod_cgid.so" }
		$ENV{APACHE_MODULES}, '/usr/lib/apache2/modules', '/usr/lib64/httpd/modules',
		'/usr/libexec/apache2', '/usr/local/libexec/apache24';

	return '' unless $folder;
	return join '', map { "LoadModule ${_}_module $folder/mod_$_.so\n" }
		grep { -e "$folder/mod_$_.so" } qw(mpm_event unixd authz_core alias cgid);
}

# Started by root it wants to be someone else, to whom the programs must be open.
sub apache_user {
	my ($uid, $gid) = (getpwnam 'nobody')[2, 3];

	return $< == 0 && defined $uid ? "User #$uid\nGroup #$gid\n" : '';
}

sub apache {
	my $apache = find_program('apache2') // find_program('httpd') // return absent('Apache');
	my $modules = apache_modules() or return absent('mod_cgid of Apache');
	my ($port, $folder, $user) = (free_port(), "$at{folder}/apache" . ++$number, apache_user());

	mkdir $folder;
	write_file("$folder/conf", $modules . $user . <<"	END");
		ServerRoot "$folder"
		ServerName localhost
		PidFile "$folder/pid"
		ScriptSock "$folder/cgid"
		ErrorLog "$folder/log"
		LogLevel crit
		Listen 127.0.0.1:$port
		ListenBacklog 1024
		MaxKeepAliveRequests 0
		ServerLimit 4
		ThreadsPerChild 32
		MaxRequestWorkers 128
		ScriptAlias "/" "$at{www}/"
		<Directory "$at{www}">
			Require all granted
		</Directory>
	END
	return server("tcp:127.0.0.1:$port", $apache, '-D', 'FOREGROUND', '-f', "$folder/conf");
}

# PHP ===========================================================================================

sub php_fpm {
	my $fpm = find_program('php-fpm') // find_program('php-fpm[0-9]*')
		// return absent('php-fpm');
	my $address = new_socket();
	my $socket = $address =~ s/^unix://r;
	my $user = $< == 0 ? "user = root\ngroup = root\n" : '';
	my $conf = write_file("$at{folder}/fpm" . ++$number, <<"	END" =~ s/^\t+//mgr);
		[global]
		error_log = $at{folder}/log
		daemonize = no
		[bench]
		$user
		listen = $socket
		listen.backlog = 1024
		pm = static
		pm.max_children = 8
	END

	return server($address, $fpm, '-n', '-y', $conf, $< == 0 ? '-R' : ());
}

sub supervised_php {
	my $php = find_program('php-cgi') // return absent('php-cgi');
	my $address = new_socket();
	my $peer;

	return absent('spawn-fcgi --supervise') unless `$at{spawn} --help 2>&1` =~ /--supervise/;
	# php-fpm's processes go on for ever by default; php-cgi's leave after 500 requests
	local $ENV{PHP_FCGI_MAX_REQUESTS} = 0;
	$peer = server($address, $at{spawn}, '--supervise', '-n', '-F', 8,
		'-s', $address =~ s/^unix://r, '--', $php, '-n');
	$peer->{programs} = [abs_path($php)];
	return $peer;
}

# By name =======================================================================================

my %noted;

sub absent {
	my ($what) = @_;

	print "note: no $what here; left out\n" unless $noted{$what}++;
	return undef;
}

sub classic {
	return -x $at{classic} ? wrapper($at{classic}, @_) : absent("classic ($at{classic})");
}

# The other build may be older, and lack an option.
sub also {
	my ($is_tcp, @options) = @_;

	return eval { wrapper("$at{also}/wrapper/fcgiwrap", @_) } // absent("also @options: $@");
}

sub with_nginx {
	my ($wrapper, $keep) = @_;
	my $stack;

	return undef unless $wrapper;
	$wrapper->{keep} = $keep;
	$stack = nginx($wrapper);
	peer_stop($wrapper) unless $stack;
	return $stack;
}

sub by_name {
	my ($name) = @_;

	for ($name) {
		/^nginx, (.*), kept$/ and return with_nginx(by_name($1), 'on');
		/^nginx, (.*)/ and return with_nginx(by_name($1), 'off');
		/^ours( tcp)?(.*)/ and return wrapper($at{fcgiwrap}, $1, split ' ', $2);
		/^also( tcp)?(.*)/ and return also($1, split ' ', $2);
		/^classic( tcp)?(.*)/ and return classic($1, split ' ', $2);
		/^lighttpd/ and return lighttpd();
		/^Apache/ and return apache();
		/^php-fpm/ and return php_fpm();
		/^php-cgi/ and return supervised_php();
		/^responder/ and return responder();
	}
	die "$name: no such peer\n";
}

# Answers without running anything: the limit of the load generator.
sub responder {
	my $address = new_socket();

	return server($address, $at{responder}, $address =~ s/^unix://r);
}

sub peer_start {
	my ($name) = @_;

	return by_name($name);
}

sub peer_stop {
	my ($peer) = @_;

	end_process($_) for @{$peer->{leaders}};
	unlink $1 if $peer->{address} =~ /^unix:(.*)/;
}

1;
