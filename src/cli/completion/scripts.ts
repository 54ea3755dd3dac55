/** The part that a shell needs: it asks this command line for every word, so that names of objects are offered, too. The first line of the answer says how to take the others. */
export const SCRIPTS = {
  bash: `_swarm() {
  local answer
  mapfile -t answer < <("\${COMP_WORDS[0]}" __complete bash "\${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
  COMPREPLY=("\${answer[@]:1}")
  case \${answer[0]-} in *nospace*) compopt -o nospace 2>/dev/null ;; esac
  case \${answer[0]-} in *files*) compopt -o default 2>/dev/null ;; esac
}
complete -F _swarm swarm`,
  zsh: `#compdef swarm
_swarm() {
  local -a answer suffix
  answer=("\${(@f)$("\${(Q)words[1]}" __complete zsh "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  [[ $answer[1] == *nospace* ]] && suffix=(-S '')
  (( \${#answer} > 1 )) && compadd $suffix -- "\${(@)answer[2,-1]}"
  [[ $answer[1] == *files* ]] && _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _swarm swarm`,
  fish: `function __swarm_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answer (command $words[1] __complete fish $words[2..-1] 2>/dev/null)
  test (count $answer) -gt 1; and printf '%s\\n' $answer[2..-1]
  string match -q '*files*' -- $answer[1]; and __fish_complete_path (commandline -ct)
end
complete -c swarm -f -a '(__swarm_complete)'`,
} as const;

export type Shell = keyof typeof SCRIPTS;
