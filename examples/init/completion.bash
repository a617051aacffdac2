# bash: completion of spawn-fcgi and fcgiwrap, from the options that they list themselves.
# A file in /usr/share/bash-completion/completions, named spawn-fcgi, with a link fcgiwrap to it.

_fcgi_bridge() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} options

	COMPREPLY=()
	case $previous in
	--print-config)
		mapfile -t COMPREPLY < <(compgen -W 'nginx lighttpd apache haproxy caddy systemd docker' -- "$current")
		return
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W 'error warning notice info debug' -- "$current")
		return
		;;
	--access-format)
		mapfile -t COMPREPLY < <(compgen -W 'combined json w3c' -- "$current")
		return
		;;
	--pm)
		mapfile -t COMPREPLY < <(compgen -W 'static dynamic ondemand' -- "$current")
		return
		;;
	--on-abort)
		mapfile -t COMPREPLY < <(compgen -W 'kill ignore' -- "$current")
		return
		;;
	-u | -U | --user | --socket-owner | --web-user | --allow-user)
		mapfile -t COMPREPLY < <(compgen -u -- "$current")
		return
		;;
	-g | -G | --group | --socket-group)
		mapfile -t COMPREPLY < <(compgen -g -- "$current")
		return
		;;
	esac
	if [[ $current == -* ]]; then
		options=$("$1" --help 2>/dev/null | sed -n 's/^  \(-.\)\?[, ]*\(--[a-z-]*\)\?.*/\1 \2/p')
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _fcgi_bridge spawn-fcgi fcgiwrap
