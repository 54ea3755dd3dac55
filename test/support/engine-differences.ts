/**
 * Where our answers differ from those of dockerd 20.10 (test/testdata/docker-answers.json), and why: `REQUEST => DIFFERENCE` as engine-answers.ts words it. What nothing here matches is a
 * defect, and so is an entry that nothing matches any more.
 */
export const KNOWN_DIFFERENCES: readonly (readonly [difference: RegExp, reason: string])[] = [
  // ---- Statuses ----
  [/=> status 500 there, 4\d\d here$/, "what a client got wrong is a 4xx, as in newer releases"],
  [/=> status 500 there, 503 here$/, "who cannot be reached may be back later"],
  [/link=1 => (status 500 there, 501 here|sentence)/, "links of containers are not built"],
  [
    /^POST \/images\/(load|none\/push).* => (status 200 there, 40\d here|sentence ")/,
    "what is refused before anything happened is a status, not a line of the answer",
  ],
  [/changes=CMD => (status 200 there, 400|sentence)/, "an instruction without an operand is refused"],
  [/\(health test\) => (status 201 there, 400|sentence)/, "a test that no shell could run is refused when it is asked for"],
  [/\/exec\/.*\(again\) => /, "a second start is refused, as in newer releases"],
  [/events\?until=1.*nonsense.* => /, "an unknown filter is refused, as in newer releases"],
  [/^POST \/volumes\/create \(driver\) => /, "there is one driver of volumes, and no plugin to look for"],
  [/^GET \/images\/search/, "registries are not searched"],
  // ---- Content types ----
  [/\/logs.* => type "" there, "application\/vnd\.docker\.raw-stream" here$/, "newer releases say what kind of stream it is"],
  [/\/attach.* => (type|sentence) ""/, "errors before a stream are JSON, as everywhere"],
  [/\/attach.* => type "application\/vnd\.docker\.raw-stream"/, "errors before a stream are JSON, as everywhere"],
  // ---- Sentences ----
  [/=> sentence "client version .* is too new/, "this daemon speaks newer versions"],
  [/=> sentence "Invalid filter '.*" there, "invalid filter '/, "newer releases write it so"],
  [/=> sentence "[^"]*repository name must be lowercase" there, ".*\(library\/UPPER\) must be lowercase" here$/, "newer releases name the repository"],
  [
    /=> sentence "(strconv\.|error while looking up for publish|[Uu]nexpected [Ee]|EOF|got EOF|failed to parse|Error processing tar|Get "|operating system is)/,
    "Go's libraries speak there; here the value and the place are named",
  ],
  [/=> sentence "(nonsense|from) is not a valid change command"/, "the instruction is quoted as it is written"],
  [/changes=EXPOSE x => sentence/, "the instruction and its operand are quoted"],
  [/experimental/, "nothing here is experimental: there are no checkpoints"],
  [/=> sentence "no such image: none: /, "said once is enough"],
  [/images\/(none\/get|get\?names=none) => sentence/, "the name is spelt out, as elsewhere"],
  [/\(text\) => sentence/, "bodies are read as JSON whatever their type says"],
  [/\(no image\) => sentence/, "what is missing is named"],
  [
    /\((restart policy|retries|capability|runtime|log driver|bind target|stop signal|keys)\) => sentence/,
    "the value, the field or the words that there are is named",
  ],
  [/volumes\/create \(option\) => sentence/, "the request names the volume"],
  [/=> sentence "Unrecognised filter value for health: x"/, "as any other filter's value"],
  [/=> sentence "no such container none"/, "as everywhere else"],
  [/=> sentence "Cannot kill container: one:/, "the container is named by its id"],
  [/=> sentence "Container one is paused/, "the container is named by its id"],
  [/=> sentence "You cannot remove a (paused|running) container/, "newer releases write it so"],
  [/=> sentence "Invalid signal: /, "newer releases write it small"],
  [/pathcannot be empty/, "a space is missing there"],
  [/=> sentence "Error when allocating new name/, "the rest says all"],
  [/\(in use\) => sentence/, "the image is in use whoever uses it"],
  [/\/exec\/.*resize.* => sentence/, "which exec does not run is named"],
  [/^POST \/containers\/bare\/start => sentence/, "the recorded daemon could not give all capabilities; here the missing program is named"],
  [/^POST \/swarm\/join => sentence/, "an empty ListenAddr is the default"],
  [/^GET \/events\?since=2&until=1 => sentence/, "without quotes"],
  // ---- Shapes ----
  [/: null there, (list|object) here$/, "empty lists and maps are that, and not nothing"],
  [/: list there, null here$/, "counters without figures, and tags of parents, are nothing"],
  [/\.(EnableIPv4|Init|Experimental|Gateway): only here$/, "fields of newer releases, or with a value where there is none"],
  [/\.SizeRw: only here$/, "also where it is 0"],
  [/\.KernelMemory(TCP)?: missing$/, "gone from newer releases"],
  [/^GET \/info => \.Runtimes\./, "other runtimes"],
  [/\.memory_stats\.stats\.\w+: (only here|missing)$/, "what this machine's kernel counts"],
  [/\.GraphDriver\.Data\.(MergedDir|WorkDir): missing$/, "layers of images are shared folders: nothing is mounted for them"],
  [/\.ContainerConfig\./, "of the container that an image was made of nothing is kept"],
  [/\/wait => \.Error: missing$/, "there only when there is one, as in newer releases"],
  [/^GET \/system\/df.* => \.Images/, "the image of a refused commit stays there"],
  [/\/bare\/json => \.HostConfig\.SecurityOpt: list there, null here$/, "there is no SELinux label to switch off"],
];

/** The same for connections that become streams (test/testdata/docker-hijacks.json): `CONVERSATION => DIFFERENCE` as hijack-conversations.ts words it. */
export const HIJACK_DIFFERENCES: readonly (readonly [difference: RegExp, reason: string])[] = [
  [/^attach, (none there|bad keys).* => /, "errors before a stream are JSON, as everywhere"],
  [/^websocket, (without a key|of an old version) => /, "errors before a stream are JSON, as everywhere"],
  [/^(attach|exec), (without an upgrade|Upgrade without Connection|output alone).* => head/, "an answer that stays HTTP has the headers of every other"],
  [/^(attach|exec), (without an upgrade|Upgrade without Connection).* => body/, "without an upgrade input goes in the request's body"],
  [/ => head .* Connection: close here$/, "who is refused a stream is let go"],
  [/^websocket, (by a browser|without Origin|with a protocol) => body/, "a websocket whose connection ends without a close frame is gone, as browsers have it"],
  [/^exec, not JSON => body/, "Go's libraries speak there; here the place is named"],
  [/^attach, bad version => body/, "this daemon speaks newer versions"],
];
