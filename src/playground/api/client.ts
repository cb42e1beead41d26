import { isObject, type KubeObject } from "../store/object.ts";
import type { ResourceType } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { StoreEvent } from "../store/store.ts";
import type { Parts } from "./call.ts";
import type { ApiClient, DeleteHow, ListFilter, PatchHow, WatchChange } from "./in-process.ts";
import { selectorPredicate } from "./selectors.ts";
import type { User } from "./users.ts";
import { patchObject } from "./verbs/patch.ts";
import type { WriteContext } from "./write-context.ts";

/** `ApiClient` over the rules of `Objects`, as one user. Names that are not served are NotFound. */
export class InProcessClient implements ApiClient {
  readonly #parts: Pick<Parts, "objects" | "types" | "store">;
  readonly #user: User;
  readonly #fieldManager: string;

  constructor(parts: Pick<Parts, "objects" | "types" | "store">, user: User, fieldManager: string) {
    this.#parts = parts;
    this.#user = user;
    this.#fieldManager = fieldManager;
  }

  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#parts.store.get(resource, namespace, name);
  }

  list(resource: string, filter: ListFilter = {}): KubeObject[] {
    const all = this.#parts.store.list(resource, filter.namespace);
    const isWanted = selectorPredicate(filter.labelSelector, filter.fieldSelector);
    return isWanted ? all.filter(isWanted) : all;
  }

  create(resource: string, object: KubeObject): Promise<KubeObject> {
    return this.#parts.objects.create(this.#type(resource), object.metadata.namespace, object, this.#context());
  }

  update(resource: string, object: KubeObject): Promise<KubeObject> {
    const { namespace, name } = object.metadata;
    return this.#parts.objects.update(this.#type(resource), namespace, name, object, this.#context());
  }

  updateStatus(resource: string, object: KubeObject): Promise<KubeObject> {
    const { namespace, name } = object.metadata;
    return this.#parts.objects.modify(this.#type(resource), namespace, name, "status", this.#context(), () => object);
  }

  async patch(
    resource: string,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    how: PatchHow,
  ): Promise<KubeObject> {
    const target = { type: this.#type(resource), namespace, name, subresource: how.subresource ?? "" };
    const context = { ...this.#context(), fieldManager: how.fieldManager ?? this.#fieldManager };
    return (await patchObject(this.#parts, target, how.type, patch, how.force ?? false, context)).object;
  }

  delete(
    resource: string,
    namespace: string | undefined,
    name: string,
    how: DeleteHow = {},
  ): Promise<KubeObject | undefined> {
    const options = {
      ...(how.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: how.gracePeriodSeconds }),
      ...(how.propagationPolicy ? { propagationPolicy: how.propagationPolicy } : {}),
      ...(how.uid ? { preconditions: { uid: how.uid } } : {}),
    };
    return this.#parts.objects.delete(this.#type(resource), namespace, name, options, this.#context());
  }

  watch(resource: string, filter: ListFilter, onChange: (change: WatchChange) => void): () => void {
    const isWanted = selectorPredicate(filter.labelSelector, filter.fieldSelector) ?? (() => true);
    for (const object of this.list(resource, filter)) onChange({ type: "ADDED", object });
    return this.#parts.store.watch(resource, undefined, (event) => {
      if (filter.namespace !== undefined && event.object.metadata.namespace !== filter.namespace) return;
      const change = changeOf(event, isWanted);
      if (change) onChange(change);
    });
  }

  #type(resource: string): ResourceType {
    const type = this.#parts.types.registry.byKey(resource);
    if (type) return type;
    throw new StatusError(
      "NotFound",
      `Cannot find resource "${resource}": wanted plural.group, such as deployments.apps`,
    );
  }

  #context(): WriteContext {
    return {
      user: this.#user,
      fieldManager: this.#fieldManager,
      isDryRun: false,
      fieldValidation: "Ignore",
      warn: () => {},
    };
  }
}

function changeOf(event: StoreEvent, isWanted: (object: KubeObject) => boolean): WatchChange | undefined {
  const isIn = event.type !== "DELETED" && isWanted(event.object);
  const wasIn = event.previous !== undefined && isWanted(event.previous);
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", object: event.object };
  return wasIn ? { type: "DELETED", object: event.object } : undefined;
}

/** True for a Status-like refusal with one of the reasons; for controllers that expect races. */
export function isRefusal(thrown: unknown, ...reasons: string[]): boolean {
  return isObject(thrown) && thrown instanceof StatusError && reasons.includes(thrown.reason);
}
