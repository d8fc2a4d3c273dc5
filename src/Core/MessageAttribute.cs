namespace Postrider;

/// <summary>Gives a message type its stable name on the wire, which is also the topic it is published to by default.</summary>
/// <remarks>Without it the name is the kebab case of the type's name: <c>OrderPlaced</c> becomes <c>order-placed</c>. Never a CLR name.</remarks>
/// <param name="name">The name, a legal topic: <c>orders.placed</c>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Interface, Inherited = false)]
public sealed class MessageAttribute(string name) : Attribute
{
    /// <summary>The stable name.</summary>
    public string Name { get; } = name;

    /// <summary>
    /// Names it had before: a consumer of it takes messages of these names too, and its queue is bound to the topics of these names unless its options name topics.
    /// </summary>
    public string[] Aliases { get; init; } = [];

    /// <summary>Which version of its schema the type is, from 1 on. It travels with each message; 0: none does.</summary>
    public int Version { get; init; }
}
