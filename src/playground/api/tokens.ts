import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import type { Clock } from "#lib/clock";
import type { KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";
import { AUTHENTICATED, type User } from "./users.ts";

/** `iss` of the playground's tokens, and the audience of its own API. */
export const ISSUER = "https://kubernetes.default.svc.cluster.local";

const MIN_SECONDS = 600;
const MAX_SECONDS = 365 * 86_400;
const DEFAULT_SECONDS = 3_600;

export interface TokenWish {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Empty: the API's own. */
  readonly audiences?: readonly string[];
  readonly expirationSeconds?: number;
  /** The pod the token dies with. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

export interface Token {
  readonly token: string;
  readonly expirationTimestamp: string;
}

interface Claims {
  iss: string;
  sub: string;
  aud: string[];
  exp: number;
  iat: number;
  nbf: number;
  "kubernetes.io": {
    namespace: string;
    serviceaccount: { name: string; uid: string };
    pod?: { name: string; uid: string };
  };
}

/** Who a good token speaks for, and the audiences it was made for. */
export interface TokenHolder {
  readonly user: User;
  readonly audiences: readonly string[];
}

/** Makes and checks service account tokens: JWTs signed with ES256 by a key of this process. */
export class TokenIssuer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    this.#publicKey = createPublicKey(this.#key);
  }

  /** The signing key's public half, as OpenID discovery publishes it. */
  jwks(): object {
    return { keys: [{ ...this.#publicKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "playground" }] };
  }

  /** NotFound when the account is not there; Invalid for lifetimes under 10 minutes. */
  issue(wish: TokenWish): Token {
    const account = this.#store.get("serviceaccounts", wish.namespace, wish.serviceAccount);
    if (!account) throw StatusError.notFound("serviceaccounts", wish.serviceAccount);
    const seconds = wish.expirationSeconds ?? DEFAULT_SECONDS;
    if (seconds < MIN_SECONDS)
      throw StatusError.invalid("TokenRequest", "authentication.k8s.io", "", [
        {
          reason: "FieldValueInvalid",
          field: "spec.expirationSeconds",
          message: `Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
        },
      ]);
    const nowS = Math.floor(this.#clock.wallMs() / 1_000);
    const exp = nowS + Math.min(seconds, MAX_SECONDS);
    const claims: Claims = {
      iss: ISSUER,
      sub: `system:serviceaccount:${wish.namespace}:${wish.serviceAccount}`,
      aud: wish.audiences?.length ? [...wish.audiences] : [ISSUER],
      exp,
      iat: nowS,
      nbf: nowS,
      "kubernetes.io": {
        namespace: wish.namespace,
        serviceaccount: { name: wish.serviceAccount, uid: account.metadata.uid! },
        ...(wish.pod ? { pod: wish.pod } : {}),
      },
    };
    const expirationTimestamp = `${new Date(exp * 1_000).toISOString().slice(0, 19)}Z`;
    return { token: this.#encode(claims), expirationTimestamp };
  }

  /** Undefined for a token that is not ours, has expired, or whose account or pod is gone. */
  verify(token: string): TokenHolder | undefined {
    const claims = this.#decode(token);
    if (!claims) return undefined;
    const nowS = this.#clock.wallMs() / 1_000;
    if (claims.iss !== ISSUER || nowS >= claims.exp || nowS + 1 < claims.nbf) return undefined;
    const { namespace, serviceaccount, pod } = claims["kubernetes.io"];
    if (!isAlive(this.#store.get("serviceaccounts", namespace, serviceaccount.name), serviceaccount.uid))
      return undefined;
    if (pod && !isAlive(this.#store.get("pods", namespace, pod.name), pod.uid)) return undefined;
    return { user: userOf(claims), audiences: claims.aud };
  }

  #encode(claims: Claims): string {
    const head = base64url(JSON.stringify({ alg: "ES256", kid: "playground", typ: "JWT" }));
    const body = `${head}.${base64url(JSON.stringify(claims))}`;
    const signature = sign("sha256", Buffer.from(body), { key: this.#key, dsaEncoding: "ieee-p1363" });
    return `${body}.${signature.toString("base64url")}`;
  }

  #decode(token: string): Claims | undefined {
    const parts = token.split(".");
    if (parts.length !== 3) return undefined;
    const [head, body, signature] = parts as [string, string, string];
    const key = { key: this.#publicKey, dsaEncoding: "ieee-p1363" as const };
    try {
      if ((JSON.parse(Buffer.from(head, "base64url").toString()) as { alg?: string }).alg !== "ES256") return undefined;
      if (!verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url"))) return undefined;
      return JSON.parse(Buffer.from(body, "base64url").toString()) as Claims;
    } catch {
      return undefined; // not JSON: not one of ours
    }
  }
}

function isAlive(object: KubeObject | undefined, uid: string): boolean {
  return object !== undefined && object.metadata.uid === uid;
}

/** The user and groups of a service account. */
export function serviceAccountUser(namespace: string, name: string, uid?: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    ...(uid ? { uid } : {}),
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, AUTHENTICATED],
  };
}

function userOf(claims: Claims): User {
  const { namespace, serviceaccount, pod } = claims["kubernetes.io"];
  const user = serviceAccountUser(namespace, serviceaccount.name, serviceaccount.uid);
  if (!pod) return user;
  return {
    ...user,
    extra: {
      "authentication.kubernetes.io/pod-name": [pod.name],
      "authentication.kubernetes.io/pod-uid": [pod.uid],
    },
  };
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}
