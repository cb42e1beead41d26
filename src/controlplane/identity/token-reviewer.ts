import { IDENTITY_AUDIENCE } from "#contracts/labels";
import { ApiError, type KubeClient, TOKEN_REVIEWS, type TokenReview } from "#kube";
import { GRPC_STATUS, GrpcError } from "#net/grpc-server";

const MAX_REVIEWS = 200; // at once; a cluster-wide restart then queues in the proxies, which retry, instead of here
const REVIEW_TIMEOUT_MS = 10_000;

/** Asks the API server whose token this is. Tokens appear in no log and no error. */
export class TokenReviewer {
  readonly #client: KubeClient;
  #reviewCount = 0;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** The user name behind a token meant for us. Throws the status to answer with. */
  async usernameOf(token: string): Promise<string> {
    if (this.#reviewCount >= MAX_REVIEWS) {
      throw new GrpcError(GRPC_STATUS.UNAVAILABLE, `More than ${MAX_REVIEWS} token reviews are under way; try again`);
    }
    this.#reviewCount++;
    try {
      return username(await this.#review(token));
    } finally {
      this.#reviewCount--;
    }
  }

  /** Linkerd asks again without an audience when the first review fails over it; that would accept tokens meant for the API server. */
  async #review(token: string): Promise<TokenReview["status"]> {
    const spec = { token, audiences: [IDENTITY_AUDIENCE] };
    const signal = AbortSignal.timeout(REVIEW_TIMEOUT_MS);
    try {
      return (await this.#client.create(TOKEN_REVIEWS, { metadata: { name: "" }, spec }, { signal })).status;
    } catch (cause) {
      const why = cause instanceof ApiError ? cause.reason : "no answer";
      throw new GrpcError(GRPC_STATUS.INTERNAL, `Cannot review the token: the API server said ${why}`, { cause });
    }
  }
}

function username(status: TokenReview["status"]): string {
  if (status?.error && !status.authenticated) {
    throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, `The API server cannot review the token: ${status.error}`);
  }
  if (!status?.authenticated) throw new GrpcError(GRPC_STATUS.FAILED_PRECONDITION, "The token is not authenticated");
  // An answer without audiences comes from a server that does not look at them: the token is good for the API server itself.
  if (!status.audiences?.includes(IDENTITY_AUDIENCE)) {
    throw new GrpcError(GRPC_STATUS.FAILED_PRECONDITION, `The token is not meant for ${IDENTITY_AUDIENCE}`);
  }
  return status.user?.username ?? "";
}
