import { expect, test } from "vitest";
import { EMPTY_CONFIG, applyChanges } from "../../../src/runtime/images/import-changes.js";

test.each<[readonly string[], object]>([
  [['CMD ["sleep", "1d"]'], { command: ["sleep", "1d"] }],
  [["CMD sleep 1d && echo hi"], { command: ["/bin/sh", "-c", "sleep 1d && echo hi"] }],
  [["cmd [not json]"], { command: ["/bin/sh", "-c", "[not json]"] }],
  [['ENTRYPOINT ["/bin/x"]', "CMD []"], { entrypoint: ["/bin/x"], command: [] }],
  [["ENV A=1 B=\"two words\" C='x'", "ENV A=2", "ENV OLD the rest of it"], { env: ["A=2", "B=two words", "C=x", "OLD=the rest of it"] }],
  [["ENV EMPTY= PATH=/a:/b"], { env: ["EMPTY=", "PATH=/a:/b"] }],
  [["EXPOSE 80 443/tcp 53/UDP 8000-8002"], { exposedPorts: ["80/tcp", "443/tcp", "53/udp", "8000/tcp", "8001/tcp", "8002/tcp"] }],
  [['LABEL a=1 "com.example.x"="y z"', "LABEL a=2"], { labels: { a: "2", "com.example.x": "y z" } }],
  [["STOPSIGNAL SIGQUIT", "USER nobody:nogroup"], { stopSignal: "SIGQUIT", user: "nobody:nogroup" }],
  [['VOLUME ["/a", "/b"]', "VOLUME /c /a"], { volumes: ["/a", "/b", "/c"] }],
  [["WORKDIR /srv", "WORKDIR app/../www"], { workingDir: "/srv/www" }],
  [["WORKDIR relative"], { workingDir: "/relative" }],
  [["", "  "], {}],
])("%j", (changes, expected) => {
  expect(applyChanges(EMPTY_CONFIG, changes)).toEqual({ ...EMPTY_CONFIG, ...expected });
});

test.each([
  ["FROM scratch", /FROM is not a valid change command/],
  ["RUN", /RUN is not a valid change command/],
  ["CMD", /CMD requires at least one argument/],
  ["ENV A", /bad change "ENV A": "A" is not name=value/],
  ['ENV A="open', /a quote does not end/],
  ["EXPOSE 0", /"0" is not a port/],
  ["EXPOSE 99999", /"99999" is not a port/],
  ["EXPOSE 80/icmp", /"80\/icmp" is not a port/],
  ["USER a b", /exactly one argument/],
])("%s is refused", (change, reason) => {
  expect(() => applyChanges(EMPTY_CONFIG, ["USER root", change])).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(reason) }),
  );
});
