# Completion of minicloud for bash; the program itself knows what may come next.
# Installed where bash-completion finds it, or: source deploy/completion/minicloud.bash

_minicloud() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <("${COMP_WORDS[0]}" __complete "$COMP_CWORD" "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
	# Nothing to offer: files, as for file://, keys and plans.
	[ "${#COMPREPLY[@]}" -gt 0 ] || compopt -o default 2>/dev/null
	[ "${#COMPREPLY[@]}" -ne 1 ] || [ "${COMPREPLY[0]: -1}" != "=" ] || compopt -o nospace 2>/dev/null
	return 0
}
complete -F _minicloud minicloud
