import { misuse } from "./failure.js";
import { textOfFlag } from "./flag-file.js";

export interface ExternalCaJson {
  readonly Protocol: string;
  readonly URL: string;
  /** PEM of the root that it issues for; "" where none was named. */
  readonly CACert: string;
}

/** `protocol=cfssl,url=https://ca:8888/api/v1/cfssl/sign,cacert=root.pem`, in docker's words. Throws a CommandFailure. */
async function parseExternalCa(text: string): Promise<ExternalCaJson> {
  const fields = new Map<string, string>();
  for (const part of text.split(",")) {
    const [, key, value] = /^([a-z]+)=(.+)$/.exec(part.trim()) ?? [];
    if (key === undefined || value === undefined || !["protocol", "url", "cacert"].includes(key)) {
      throw misuse(`--external-ca "${text}": "${part}" is none of protocol=cfssl, url=URL, cacert=FILE`);
    }
    fields.set(key, value);
  }
  const [protocol, url, file] = [fields.get("protocol"), fields.get("url"), fields.get("cacert")];
  if (protocol !== "cfssl") throw misuse(`--external-ca "${text}" needs protocol=cfssl`);
  if (url === undefined) throw misuse(`--external-ca "${text}" needs url=URL`);
  return { Protocol: protocol, URL: url, CACert: await textOfFlag(file, "external-ca") };
}

/** For commander: an option that may come several times. */
export const collectExternalCa = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export const EXTERNAL_CA_FLAG = "--external-ca <specification>";

/** All of them; see parseExternalCa. One that is empty stands for none at all. */
export function parseExternalCas(texts: readonly string[]): Promise<readonly ExternalCaJson[]> {
  return Promise.all(texts.length === 1 && texts[0] === "" ? [] : texts.map(parseExternalCa));
}
