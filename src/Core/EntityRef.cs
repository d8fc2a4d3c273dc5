using System.Text.Json.Serialization;
using Postrider.Core.Entities;

namespace Postrider;

/// <summary>
/// Refers to an entity from a message: only the id travels, as <c>{ "$ref": "customer/42" }</c>, and the consumer loads the entity when it needs it
/// (<see cref="EntityExtensions.ResolveAsync"/>). Needs <see cref="EntityExtensions.AddEntity"/> on both sides, and JSON.
/// </summary>
/// <typeparam name="TEntity">A type that is registered.</typeparam>
/// <param name="Id">The entity's id, not empty.</param>
[JsonConverter(typeof(UnregisteredEntityConverter))]
public readonly record struct EntityRef<TEntity>(string Id)
    where TEntity : class;
