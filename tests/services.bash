# What the tests of service files share ("load lib; load spawn; load wrapper; load services").
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # tests use the variables that are set here

UNITS=(systemd/fcgiwrap.service systemd/fcgiwrap.socket systemd/fcgiwrap@.service
	systemd/fcgiwrap@.socket systemd/spawn-fcgi@.service)

# make_examples NAME...: below $MADE, for the programs under test or those in the folder $BIN, the
# web server's user $WEB and the scripts' user $SCRIPTS.
make_examples() {
	local name

	MADE=$T/made/examples
	for name; do
		mkdir -p "$MADE/${name%/*}"
		(
			cd "$T/made" || exit
			bindir=${BIN-${SPAWN_FCGI%/*}} sbindir=${BIN-${FCGIWRAP%/*}} web_user=${WEB-$USER_A} \
				script_user=${SCRIPTS-$USER_A} \
				sh "$FCGI_SOURCE/examples/edit" "$FCGI_SOURCE" "examples/$name"
		) || return
	done
}
