import { createHash, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import { publicKeyOfCsr } from "../../src/pki/csr.js";
import type { Node } from "../../src/pki/der.js";
import { createNodeKey, publicKeyDer, readPrivateKey } from "../../src/pki/keys.js";
import type { RootCa } from "../../src/pki/root-ca.js";
import {
  alternativeNames,
  forTls,
  isAuthority,
  isNotAuthority,
  issuedBy,
  hasKeyId,
  mayCertify,
  maySign,
  name,
  readCertificate,
  readIssuer,
  signCertificate,
} from "../../src/pki/x509.js";

interface SignBody {
  readonly certificate_request: string;
  readonly hosts: readonly string[];
  readonly subject: { readonly CN: string; readonly names?: readonly { readonly O?: string; readonly OU?: string }[] };
  readonly profile?: string;
}

/** Where it listens: an address that the certificate of the server names, too. */
export interface CfsslPlace {
  readonly address: string;
  readonly port: number;
}

interface CfsslOptions {
  readonly root: RootCa;
  readonly trusted: string;
  readonly nowMs: () => number;
  /** Whether certificates say by which key they were issued, its own among them; they do unless told otherwise. */
  readonly namesIssuerKey?: boolean;
}

const ANYWHERE: CfsslPlace = { address: "127.0.0.1", port: 0 };

/** A certificate authority that speaks the CFSSL protocol over HTTPS, and signs for managers of a cluster: it looks at the certificates of who asks. */
export class CfsslServer implements AsyncDisposable {
  readonly root: RootCa;
  readonly requests: SignBody[] = [];
  /** Subjects of the clients that were served. */
  readonly clients: string[] = [];
  /** What it says instead of signing. */
  answer: { readonly status: number; readonly body: string } | "hangs" | null = null;
  /** What happens while it is about to sign. */
  beforeSigning: () => Promise<void> = () => Promise.resolve();
  /** What it lets nodes use their certificates for. */
  usages: readonly Node[] = [maySign(), forTls()];
  /** How far its clock is ahead. */
  aheadMs = 0;
  /** Signs with this root instead. */
  signer: RootCa;
  readonly #server: Server;
  readonly #nowMs: () => number;
  readonly #namesIssuerKey: boolean;

  private constructor(options: CfsslOptions, { address }: CfsslPlace) {
    this.root = options.root;
    this.signer = options.root;
    this.#nowMs = options.nowMs;
    this.#namesIssuerKey = options.namesIssuerKey ?? true;
    const tls = this.#issue({ key: readPrivateKey(SERVER_KEY), hosts: ["localhost", address], commonName: "ca" });
    this.#server = createServer({ cert: tls, key: SERVER_KEY, ca: [options.trusted, options.root.certificate], requestCert: true, rejectUnauthorized: true });
    this.#server.on("request", async (request, reply) => {
      let text = "";
      for await (const chunk of request) text += String(chunk);
      const peer = (request.socket as TLSSocket).getPeerCertificate();
      if (peer.subject.OU !== "swarm-manager") {
        reply.writeHead(403).end(JSON.stringify({ success: false, result: null, errors: [{ code: 1, message: "not a manager" }], messages: [] }));
        return;
      }
      this.clients.push(String(peer.subject.CN));
      await this.beforeSigning();
      if (request.method !== "POST") reply.writeHead(405).end();
      else this.#answer(text, (status, body) => reply.writeHead(status, { "content-type": "application/json" }).end(body));
    });
  }

  /** Believes clients with a certificate of `trusted` (PEM) or of its own root. */
  static async start(options: CfsslOptions, place = ANYWHERE): Promise<CfsslServer> {
    const server = new CfsslServer(options, place);
    await new Promise<void>((done) => server.#server.listen(place.port, place.address, done));
    return server;
  }

  get url(): string {
    const address = this.#server.address();
    return `https://localhost:${typeof address === "object" && address !== null ? address.port : 0}/api/v1/cfssl/sign`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #answer(text: string, send: (status: number, body: string) => void): void {
    if (this.answer === "hangs") return;
    if (this.answer !== null) {
      send(this.answer.status, this.answer.body);
      return;
    }
    const body = JSON.parse(text) as SignBody;
    this.requests.push(body);
    const { CN: commonName, names } = body.subject;
    const content = {
      key: publicKeyOfCsr(body.certificate_request),
      hosts: body.hosts,
      commonName,
      isAuthority: body.profile === "CA",
      ...Object.assign({}, ...(names ?? [])),
    };
    send(200, JSON.stringify({ success: true, result: { certificate: this.#issue(content) }, errors: [], messages: [] }));
  }

  #issue(content: {
    readonly key: KeyObject;
    readonly hosts: readonly string[];
    readonly commonName: string;
    readonly isAuthority?: boolean;
    readonly O?: string;
    readonly OU?: string;
  }): string {
    const issuer = readIssuer(readCertificate(this.signer.certificate));
    const nowMs = this.#nowMs() + this.aheadMs;
    return signCertificate(
      {
        issuer: issuer.subject,
        subject: name([
          ...(content.O === undefined ? [] : [{ attribute: "organization" as const, value: content.O }]),
          ...(content.OU === undefined ? [] : [{ attribute: "organizationalUnit" as const, value: content.OU }]),
          { attribute: "commonName", value: content.commonName },
        ]),
        publicKey: content.key,
        notBeforeMs: nowMs - 3_600_000,
        notAfterMs: nowMs + 30 * 24 * 3_600_000,
        extensions: [
          ...(content.isAuthority === true ? [isAuthority(0), mayCertify()] : [isNotAuthority(), ...this.usages, alternativeNames(content.hosts)]),
          hasKeyId(sha1OfKey(content.key)),
          ...(issuer.keyId === null || !this.#namesIssuerKey ? [] : [issuedBy(issuer.keyId)]),
        ],
      },
      readPrivateKey(this.signer.key),
    );
  }
}

/** As CFSSL names keys: RFC 5280 4.2.1.2, method 1. The key itself is the last 65 bytes. */
const sha1OfKey = (key: KeyObject): Buffer => createHash("sha1").update(publicKeyDer(key).subarray(-65)).digest();

const SERVER_KEY = createNodeKey();
