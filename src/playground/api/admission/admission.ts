import type { KubeObject } from "../../store/object.ts";
import type { ResourceType } from "../../store/resources.ts";
import type { User } from "../users.ts";

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

/** One write on its way in. */
export interface AdmissionRequest {
  readonly operation: Operation;
  readonly type: ResourceType;
  readonly subresource: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  readonly user: User;
  readonly isDryRun: boolean;
  /** Texts for the client's `Warning` headers. */
  readonly warn: (text: string) => void;
}

/** Has a say before an object is kept. */
export interface Admission {
  /** The object as it should be, after `settle` filled in defaults again. Throws StatusError to refuse. */
  mutate(request: AdmissionRequest, settle: (object: KubeObject) => KubeObject): Promise<KubeObject>;
  /** Throws StatusError to refuse. */
  validate(request: AdmissionRequest): Promise<void>;
}
