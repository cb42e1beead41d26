import { randomUUID } from "node:crypto";
import type { Clock } from "#lib/clock";
import { nameSuffix } from "#lib/random";
import { isObject, type KubeObject, type ObjectMeta, sameJson } from "../store/object.ts";
import { apiVersionOf, type ResourceType, storageKey } from "../store/resources.ts";
import { type StatusCause, StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";
import type { Admission, AdmissionRequest, Operation } from "./admission/admission.ts";
import { asTerminating, checkPreconditions, uidConflict } from "./object-deletion.ts";
import { changedPart, finalizersFor, gracePeriod, isDone, isSameObject, keptMeta } from "./object-rules.ts";
import { checkObject, decodeObject, setObjectDefaults } from "./object-shape.ts";
import { trackUpdate } from "./patch/apply.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import { checkNamespace, countsGeneration, desiredPart, prepareCreate, prepareUpdate } from "./strategy.ts";
import type { Types } from "./types.ts";
import type { DeleteOptions, WriteContext } from "./write-context.ts";

/** A write that lost a race is tried again this often before the client hears of it. */
const MAX_TRIES = 8;
/** Tries of `generateName` before giving up. */
const MAX_NAMES = 8;

/**
 * The rules of writing, for every client alike: decode → defaults → what the server sets → admission → validation →
 * store. Reads go to the store directly.
 */
export class Objects {
  readonly store: Store;
  readonly types: Types;
  readonly addresses: ServiceAddresses;
  readonly #clock: Clock;
  #admission: Admission | undefined;

  constructor(store: Store, types: Types, clock: Clock) {
    this.store = store;
    this.types = types;
    this.addresses = new ServiceAddresses(store);
    this.#clock = clock;
  }

  /** Set once at start; before that nothing is asked (the first objects are our own). */
  useAdmission(admission: Admission): void {
    this.#admission = admission;
  }

  /** Whole seconds, as the API's times are. */
  now(): string {
    return `${new Date(this.#clock.wallMs()).toISOString().slice(0, 19)}Z`;
  }

  read(type: ResourceType, namespace: string | undefined, name: string): KubeObject {
    const found = this.store.get(storageKey(type), type.isNamespaced ? namespace : undefined, name);
    if (!found) throw StatusError.notFound(storageKey(type), name);
    return found;
  }

  async create(
    type: ResourceType,
    namespace: string | undefined,
    input: unknown,
    context: WriteContext,
  ): Promise<KubeObject> {
    let object = decodeObject(this.types, type, namespace, input, context);
    const isGenerated = !object.metadata.name && object.metadata.generateName !== undefined;
    if (!object.metadata.name && !isGenerated)
      throw this.#invalid(type, "", [
        {
          reason: "FieldValueRequired",
          field: "metadata.name",
          message: "Required value: name or generateName is required",
        },
      ]);
    if (isGenerated) object.metadata.name = this.#freeName(type, object);
    if (type.isNamespaced) checkNamespace(this.store, type, object.metadata.namespace!, object.metadata.name);
    if (this.store.get(storageKey(type), object.metadata.namespace, object.metadata.name))
      throw StatusError.alreadyExists(storageKey(type), object.metadata.name);
    object.metadata = this.#newMeta(type, object.metadata);
    setObjectDefaults(this.types, type, object);
    prepareCreate(type, object, this.#around());
    object = await this.#admit("CREATE", type, "", object, undefined, context);
    checkObject(this.types, type, object, undefined);
    if (!context.isApply) object = this.#track(type, undefined, object, context, "");
    await this.#admission?.validate(this.#request("CREATE", type, "", object, undefined, context));
    if (context.isDryRun) return object;
    return this.store.create(storageKey(type), object);
  }

  /** Replaces an object's desired state. A resourceVersion in the input must be the current one. */
  update(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    input: unknown,
    context: WriteContext,
  ): Promise<KubeObject> {
    return this.modify(type, namespace, name, "", context, () => input);
  }

  /**
   * Reads, changes, writes; again when somebody else wrote meanwhile and the change does not insist on a revision.
   * `change` must not alter what it gets. The subresource decides which part of its result counts.
   */
  async modify(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    subresource: string,
    context: WriteContext,
    change: (old: KubeObject) => unknown,
  ): Promise<KubeObject> {
    for (let tries = 1; ; tries++) {
      const old = this.read(type, namespace, name);
      const input = change(old);
      const wanted = isObject(input) && isObject(input["metadata"]) ? input["metadata"]["resourceVersion"] : undefined;
      if (wanted && wanted !== old.metadata.resourceVersion) throw StatusError.conflict(storageKey(type), name);
      try {
        return await this.#replace(type, old, input, subresource, context);
      } catch (thrown) {
        const isRace = thrown instanceof StatusError && thrown.reason === "Conflict" && !context.isApply;
        const current = this.store.get(storageKey(type), old.metadata.namespace, name);
        const mayRetry = isRace && !wanted && current !== undefined && current !== old;
        if (!mayRetry || tries >= MAX_TRIES) throw thrown;
      }
    }
  }

  async #replace(
    type: ResourceType,
    old: KubeObject,
    input: unknown,
    subresource: string,
    context: WriteContext,
  ): Promise<KubeObject> {
    let object = decodeObject(this.types, type, old.metadata.namespace, input, context);
    if (object.metadata.name !== old.metadata.name)
      throw StatusError.badRequest(
        `the name of the object (${object.metadata.name}) does not match the name on the URL (${old.metadata.name})`,
      );
    if (object.metadata.uid && object.metadata.uid !== old.metadata.uid)
      throw uidConflict(type, old, object.metadata.uid);
    object.apiVersion = apiVersionOf(type);
    object.metadata = keptMeta(old.metadata, object.metadata);
    object = changedPart(type, old, object, subresource);
    setObjectDefaults(this.types, type, object);
    if (subresource === "") prepareUpdate(type, object, old, this.#around());
    object = await this.#admit("UPDATE", type, subresource, object, old, context);
    object.metadata = { ...object.metadata, generation: this.#generation(type, old, object) };
    if (object.metadata.generation === undefined) delete object.metadata.generation;
    if (subresource !== "status" || type.isCustom) checkObject(this.types, type, object, old);
    if (!context.isApply) object = this.#track(type, old, object, context, subresource);
    await this.#admission?.validate(this.#request("UPDATE", type, subresource, object, old, context));
    if (isSameObject(old, object)) return old;
    if (context.isDryRun) return object;
    return this.#keep(type, old, object);
  }

  /** Stores; an object whose last finalizer went while it was being deleted goes for good. */
  #keep(type: ResourceType, old: KubeObject, object: KubeObject): KubeObject {
    const key = storageKey(type);
    const { namespace, name } = object.metadata;
    if (!isDone(type, object)) {
      return this.store.update(key, {
        ...object,
        metadata: { ...object.metadata, resourceVersion: old.metadata.resourceVersion! },
      });
    }
    if (this.store.get(key, namespace, name) !== old) throw StatusError.conflict(key, name);
    this.store.update(key, object);
    return this.store.remove(key, namespace, name)!;
  }

  /** The object while it is terminating, or undefined when it is gone at once. */
  async delete(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions,
    context: WriteContext,
  ): Promise<KubeObject | undefined> {
    const key = storageKey(type);
    const seen = this.read(type, namespace, name);
    await this.#admission?.validate(this.#request("DELETE", type, "", undefined, seen, context));
    const old = this.read(type, namespace, name);
    checkPreconditions(type, old, options);
    const graceSeconds = gracePeriod(type, old, options);
    const finalizers = finalizersFor(old, options.propagationPolicy);
    const waits = finalizers.length > 0 || graceSeconds > 0 || (type.kind === "Namespace" && type.group === "");
    if (context.isDryRun) return old;
    if (!waits) {
      this.store.remove(key, old.metadata.namespace, name);
      return undefined;
    }
    const ending = asTerminating(type, old, finalizers, graceSeconds, this.#clock.wallMs());
    return isSameObject(old, ending) ? old : this.store.update(key, ending);
  }

  async #admit(
    operation: Operation,
    type: ResourceType,
    subresource: string,
    object: KubeObject,
    old: KubeObject | undefined,
    context: WriteContext,
  ): Promise<KubeObject> {
    if (!this.#admission) return object;
    const settle = (patched: KubeObject): KubeObject => {
      const settled = decodeObject(this.types, type, object.metadata.namespace, patched, {
        ...context,
        fieldValidation: "Ignore",
      });
      setObjectDefaults(this.types, type, settled);
      return settled;
    };
    return this.#admission.mutate(this.#request(operation, type, subresource, object, old, context), settle);
  }

  #request(
    operation: Operation,
    type: ResourceType,
    subresource: string,
    object: KubeObject | undefined,
    oldObject: KubeObject | undefined,
    context: WriteContext,
  ): AdmissionRequest {
    const meta = (object ?? oldObject)!.metadata;
    const { user, isDryRun, warn } = context;
    return {
      operation,
      type,
      subresource,
      namespace: meta.namespace,
      name: meta.name,
      object,
      oldObject,
      user,
      isDryRun,
      warn,
    };
  }

  #track(
    type: ResourceType,
    old: KubeObject | undefined,
    object: KubeObject,
    context: WriteContext,
    subresource: string,
  ): KubeObject {
    const manager = { name: context.fieldManager, apiVersion: apiVersionOf(type), time: this.now() };
    const through = context.managedThrough ?? subresource;
    return trackUpdate(
      old,
      object,
      this.types.schemaOf(type),
      through ? { ...manager, subresource: through } : manager,
    );
  }

  #newMeta(type: ResourceType, meta: ObjectMeta): ObjectMeta {
    const { resourceVersion: _rv, deletionTimestamp: _at, deletionGracePeriodSeconds: _grace, ...kept } = meta;
    if (meta.resourceVersion)
      throw StatusError.badRequest("resourceVersion should not be set on objects to be created");
    const result: ObjectMeta = { ...kept, uid: randomUUID(), creationTimestamp: this.now() };
    delete result.generation;
    if (countsGeneration(type)) result.generation = 1;
    return result;
  }

  #generation(type: ResourceType, old: KubeObject, object: KubeObject): number | undefined {
    const before = old.metadata.generation;
    if (!countsGeneration(type) || before === undefined) return before;
    return sameJson(desiredPart(old), desiredPart(object)) ? before : before + 1;
  }

  #freeName(type: ResourceType, object: KubeObject): string {
    const base = object.metadata.generateName!.slice(0, 58);
    for (let tries = 0; tries < MAX_NAMES; tries++) {
      const name = base + nameSuffix(5);
      if (!this.store.get(storageKey(type), object.metadata.namespace, name)) return name;
    }
    throw StatusError.alreadyExists(storageKey(type), base);
  }

  #invalid(type: ResourceType, name: string, causes: StatusCause[]): StatusError {
    return StatusError.invalid(type.kind, type.group, name, causes);
  }

  #around() {
    return { store: this.store, addresses: this.addresses, now: this.now() };
  }
}
