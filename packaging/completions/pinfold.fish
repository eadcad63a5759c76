# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pinfold_global_optspecs
    string join \n manifest= h/help V/version
end

function __fish_pinfold_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pinfold_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pinfold_using_subcommand
    set -l cmd (__fish_pinfold_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pinfold -n "__fish_pinfold_needs_command" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_needs_command" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "try" -d 'Take a quick look at a server: resolve, verify, start in the box, list its tools, keep nothing'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "add" -d 'Add a server to the manifest, lock it, and choose its tools'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "remove" -d 'Take servers out of the manifest and the lock'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "import" -d 'Take over the servers of your MCP clients\' configs: lock each, and let its client start it through pinfold'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "restore" -d 'Put configs back as they were before `import`, byte for byte'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "audit" -d 'Show what is wrong in the configs of your MCP clients: floating versions, secrets in plain text, servers outside of pinfold and more; changes nothing'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "lock" -d 'Bring the lock in line with the manifest'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "update" -d 'Move to newer versions, as a review: show everything that would change, and ask'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "fetch" -d 'Get everything that the lock names into the store, and repair what is damaged'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "run" -d 'Start a server and relay its allowed tools; the command for mcp.json'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "verify" -d 'Check manifest, lock and store against each other; every byte is hashed'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "tools" -d 'List a server\'s tools and which of them are allowed'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "review" -d 'Show what changed in a server\'s tool definitions and instructions, and accept it'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "explain" -d 'Show what a server may do, where each right comes from, and which layers hold it'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "observe" -d 'Run a server as it is, watch what it uses and what it is refused, and propose what its manifest lacks'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "log" -d 'Show the audit log: sessions, calls, refusals, connections, changes of what may run'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "secret" -d 'Keep the values that servers get and nobody else: set, list, remove'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "quarantine" -d 'Stop a server: end every session of it at once, and let none start until it is released'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "release" -d 'Let a server that was put into quarantine start again'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "gc" -d 'Remove from the store what no lock names and no session runs'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "trust" -d 'Trust a manifest that is not your own, in its present content'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "doctor" -d 'Show what this kernel can enforce and what to do about what is missing'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "daemon" -d 'Supervise all servers of this user; `pinfold run` then only hands over to it'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "ps" -d 'List the sessions that run now'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "stop" -d 'End sessions'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "approve" -d 'List the calls that wait for your approval in sessions of the daemon, or decide about one'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "generate" -d 'Print a completion script or write the man pages, for packaging'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -l program -d 'The file of an archive or folder to run, when there are several' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -l config -d 'A value that a bundle (.mcpb) asks for; the same key again makes a list' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -l config-from -d 'The same, taken from this command\'s environment: for secrets' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand try" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l allow -d 'Allow this tool; may be given many times [default: you are asked on the terminal]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l runtime -d 'What it runs on: npm:PACKAGE[@RANGE] holds the interpreter, which is pinned too; `warn` tolerates that the machine\'s changes [default: refuse]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l build -d 'Run the install script of this package of its closure, once, in a box without network; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l build-egress -d 'Let those scripts reach this host at this port; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l profile -d 'The profile: offline, files-ro, files-rw, web or browser [default: web with --egress, else offline]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l egress -d 'Let it reach this host at this port, and no other; may be given many times. `*.HOST` is every name below' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l env -d 'Set a variable: KEY=VALUE, or KEY to pass it on from the client' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l secret -d 'Set a variable to the secret that `pinfold secret set NAME` keeps' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l read -d 'Let it read this file or folder' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l write -d 'Let it read and write this folder' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l exec -d 'Let it run this program, for example git' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l program -d 'The file of an archive or folder to run, when there are several' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l set -d 'A value that a server.json asks for; the same key again repeats the argument' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l package -d 'Of a server.json, the package of this kind [default: the first that can be used]' -r -f -a "npm\t''
pypi\t''
mcpb\t''"
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l config -d 'A value that a bundle (.mcpb) asks for; the same key again makes a list' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l config-from -d 'The same, taken from the client\'s environment at each start: for secrets' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -l allow-all -d 'Allow every tool that it offers now'
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand add" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand remove" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand remove" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand remove" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l allow -d 'Allow this tool of this server, which is called as in the table; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l egress -d 'Let this server reach this host at this port, and no other; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l dry-run -d 'Change nothing; show what would become of each server, and each file as a diff'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l yes -d 'Don\'t ask whether to begin'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l allow-all -d 'Allow every tool that each server offers now'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -l list -d 'Only list what could be put back'
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -l force -d 'Put back what was changed since, too; the change is lost'
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -l forget -d 'Put nothing back; remove the originals that are kept, which hold the secrets that were in them'
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand restore" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand audit" -l format -d 'How to print what is found' -r -f -a "text\t'For people'
json\t'One line of JSON'
sarif\t'SARIF 2.1.0, for code scanning'"
complete -c pinfold -n "__fish_pinfold_using_subcommand audit" -l fail-on -d 'End with code 1 if something is found that is this bad, or worse' -r -f -a "error\t'Somebody can take a secret, or run code, as it is'
warning\t'Somebody could, with one thing more going wrong'
note\t'Worth knowing'"
complete -c pinfold -n "__fish_pinfold_using_subcommand audit" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand audit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand audit" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand lock" -l platform -d 'Cover this platform, too, for example linux-aarch64; may be given many times. What is covered once is kept [always: this machine\'s]' -r -f -a "linux-aarch64\t''
linux-aarch64-musl\t''
linux-x86_64\t''
linux-x86_64-musl\t''"
complete -c pinfold -n "__fish_pinfold_using_subcommand lock" -l sbom -d 'Change nothing; print what is locked as a bill of materials' -r -f -a "cyclonedx\t'CycloneDX 1.6, JSON'
spdx\t'SPDX 2.3, JSON'"
complete -c pinfold -n "__fish_pinfold_using_subcommand lock" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand lock" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand update" -l accept-risk -d 'Accept this alarm, too; may be given many times, or with commas' -r -f -a "too-young\t'A version was published less than `settings.release_age` ago'
install-script\t'A package asks to run a script at install, and didn\'t before'
publisher-changed\t'Somebody else published it'
provenance-lost\t'It had provenance, and has none any more'
provenance-changed\t'Its provenance names another repository, or another issuer says so'
signature-lost\t'The registry signed it, and doesn\'t any more'
signer-changed\t'Another registry signed it'
other-bytes\t'The version is the same and its bytes are not'
older-version\t'The version that is chosen now is older than the one that was locked'
tool-drift\t'The code is the same, and says something else of itself'"
complete -c pinfold -n "__fish_pinfold_using_subcommand update" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand update" -l accept -d 'Accept the new versions, unless something about them is alarming'
complete -c pinfold -n "__fish_pinfold_using_subcommand update" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand update" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand fetch" -l platform -d 'Get what this platform needs, without running anything; may be given many times [default: this machine\'s]' -r -f -a "linux-aarch64\t''
linux-aarch64-musl\t''
linux-x86_64\t''
linux-x86_64-musl\t''"
complete -c pinfold -n "__fish_pinfold_using_subcommand fetch" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand fetch" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand fetch" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand run" -l daemon -d 'Whether the daemon serves it: `require`, `auto` (if one is there) or `never` [default: the variable PINFOLD_DAEMON, else auto]' -r -f -a "require\t'Only by the daemon'
auto\t'By the daemon where one is there'
never\t'Never by the daemon'"
complete -c pinfold -n "__fish_pinfold_using_subcommand run" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand run" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand verify" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand verify" -l online -d 'Ask the registry, too, whether it still publishes the same bytes'
complete -c pinfold -n "__fish_pinfold_using_subcommand verify" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand verify" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand verify" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -l allow -d 'Let the client use this tool; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -l withhold -d 'Let the client no longer use this tool; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -l choose -d 'Choose on the terminal which of them the client may use'
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand tools" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -l accept -d 'Accept what changed in this tool; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -l accept-all -d 'Accept every change, also of the instructions'
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -l accept-instructions -d 'Accept the server\'s instructions as they are now'
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand review" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand explain" -l why -d 'Answer this question only; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand explain" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand explain" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand explain" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand explain" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l call -d 'Make this call instead of serving a client: the tool, then its arguments as JSON; may be given many times' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l report -d 'Start nothing; print what was observed up to now'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l apply -d 'Start nothing; write what is proposed into the manifest, once you have seen the difference and said yes'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l yes -d 'Don\'t ask'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l system-calls -d 'With --report or --apply: limit the server to the system calls that it was seen to make, and to those that do the same; run it through all that it is for first'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l anew -d 'Forget what was observed before'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand observe" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l server -d 'Only records of this server' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l kind -d 'Only records of this kind, for example call, call_end, egress, event, session_start, session_refused, session_end or policy_change' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l since -d 'Only what came after this: a time in UTC such as 2026-07-28T09:00:00Z, or a time span such as 2h, which ends now' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l follow -d 'Go on with what comes, until it is interrupted'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l denied -d 'Only what was refused'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -l json -d 'Print the lines as they are in the log'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -f -a "verify" -d 'Prove that no line of the log was changed, taken out, moved or cut off'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -f -a "head" -d 'Print the log\'s last record as NUMBER:SHA256, to be kept elsewhere and given to `verify`'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -f -a "export" -d 'Send what was recorded since the last time to an OpenTelemetry collector (OTLP over HTTP)'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and not __fish_seen_subcommand_from verify head export help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from verify" -l head -d 'A last record that was printed by `pinfold log head` earlier: it must still be there' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from verify" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from head" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from head" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from head" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -l endpoint -d 'The collector, for example http://localhost:4318; else OTEL_EXPORTER_OTLP_ENDPOINT and the other standard variables say it' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -l patience -d 'How long to wait for a collector that can\'t be reached; with --follow for ever, if this is not given' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -l follow -d 'Go on with what comes, until it is interrupted'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -l arguments -d 'Send arguments of calls, too, where the log has them (`audit.arguments` in the manifest)'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Prove that no line of the log was changed, taken out, moved or cut off'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from help" -f -a "head" -d 'Print the log\'s last record as NUMBER:SHA256, to be kept elsewhere and given to `verify`'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from help" -f -a "export" -d 'Send what was recorded since the last time to an OpenTelemetry collector (OTLP over HTTP)'
complete -c pinfold -n "__fish_pinfold_using_subcommand log; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -f -a "set" -d 'Keep a value, which is asked for on the terminal or read from standard input'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -f -a "list" -d 'Show which secrets there are, how old they are, and which servers use them; no value'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -f -a "remove" -d 'Forget a secret: every server that uses it is put into quarantine'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and not __fish_seen_subcommand_from set list remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from set" -l store -d 'Where secrets are kept; decided with the first one [default: the desktop\'s Secret Service where there is one, else files]' -r -f -a "files\t''
secret-service\t''"
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from set" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from set" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from list" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from list" -l unlock -d 'Ask for the password of a locked keyring first'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from remove" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from help" -f -a "set" -d 'Keep a value, which is asked for on the terminal or read from standard input'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show which secrets there are, how old they are, and which servers use them; no value'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Forget a secret: every server that uses it is put into quarantine'
complete -c pinfold -n "__fish_pinfold_using_subcommand secret; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand quarantine" -l reason -d 'Why, for whoever finds it stopped' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand quarantine" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand quarantine" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand quarantine" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand release" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand release" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand release" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand gc" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand gc" -l dry-run -d 'Only say what would go'
complete -c pinfold -n "__fish_pinfold_using_subcommand gc" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand gc" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand gc" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand trust" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand trust" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand trust" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -l attack -d 'Attack this machine, harmlessly, from inside of the box and without it, and show what held'
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand daemon" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand daemon" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand daemon" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand ps" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand ps" -l json -d 'Print JSON'
complete -c pinfold -n "__fish_pinfold_using_subcommand ps" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand ps" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -l all -d 'Every session'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand approve" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand approve" -l deny -d 'Decline it, without a question'
complete -c pinfold -n "__fish_pinfold_using_subcommand approve" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand approve" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and not __fish_seen_subcommand_from completions man help" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and not __fish_seen_subcommand_from completions man help" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and not __fish_seen_subcommand_from completions man help" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and not __fish_seen_subcommand_from completions man help" -f -a "completions" -d 'Print the completion script for a shell'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and not __fish_seen_subcommand_from completions man help" -f -a "man" -d 'Write one man page for each command into a folder'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and not __fish_seen_subcommand_from completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from completions" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from completions" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from completions" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from man" -l manifest -d 'Use this manifest; the lock lies beside it' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from man" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from man" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "completions" -d 'Print the completion script for a shell'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "man" -d 'Write one man page for each command into a folder'
complete -c pinfold -n "__fish_pinfold_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "try" -d 'Take a quick look at a server: resolve, verify, start in the box, list its tools, keep nothing'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "add" -d 'Add a server to the manifest, lock it, and choose its tools'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "remove" -d 'Take servers out of the manifest and the lock'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "import" -d 'Take over the servers of your MCP clients\' configs: lock each, and let its client start it through pinfold'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "restore" -d 'Put configs back as they were before `import`, byte for byte'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "audit" -d 'Show what is wrong in the configs of your MCP clients: floating versions, secrets in plain text, servers outside of pinfold and more; changes nothing'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "lock" -d 'Bring the lock in line with the manifest'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "update" -d 'Move to newer versions, as a review: show everything that would change, and ask'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "fetch" -d 'Get everything that the lock names into the store, and repair what is damaged'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "run" -d 'Start a server and relay its allowed tools; the command for mcp.json'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "verify" -d 'Check manifest, lock and store against each other; every byte is hashed'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "tools" -d 'List a server\'s tools and which of them are allowed'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "review" -d 'Show what changed in a server\'s tool definitions and instructions, and accept it'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "explain" -d 'Show what a server may do, where each right comes from, and which layers hold it'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "observe" -d 'Run a server as it is, watch what it uses and what it is refused, and propose what its manifest lacks'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "log" -d 'Show the audit log: sessions, calls, refusals, connections, changes of what may run'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "secret" -d 'Keep the values that servers get and nobody else: set, list, remove'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "quarantine" -d 'Stop a server: end every session of it at once, and let none start until it is released'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "release" -d 'Let a server that was put into quarantine start again'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "gc" -d 'Remove from the store what no lock names and no session runs'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "trust" -d 'Trust a manifest that is not your own, in its present content'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "doctor" -d 'Show what this kernel can enforce and what to do about what is missing'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "daemon" -d 'Supervise all servers of this user; `pinfold run` then only hands over to it'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "ps" -d 'List the sessions that run now'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "stop" -d 'End sessions'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "approve" -d 'List the calls that wait for your approval in sessions of the daemon, or decide about one'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "generate" -d 'Print a completion script or write the man pages, for packaging'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from try add remove import restore audit lock update fetch run verify tools review explain observe log secret quarantine release gc trust doctor daemon ps stop approve generate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from log" -f -a "verify" -d 'Prove that no line of the log was changed, taken out, moved or cut off'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from log" -f -a "head" -d 'Print the log\'s last record as NUMBER:SHA256, to be kept elsewhere and given to `verify`'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from log" -f -a "export" -d 'Send what was recorded since the last time to an OpenTelemetry collector (OTLP over HTTP)'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from secret" -f -a "set" -d 'Keep a value, which is asked for on the terminal or read from standard input'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from secret" -f -a "list" -d 'Show which secrets there are, how old they are, and which servers use them; no value'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from secret" -f -a "remove" -d 'Forget a secret: every server that uses it is put into quarantine'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "completions" -d 'Print the completion script for a shell'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "man" -d 'Write one man page for each command into a folder'
