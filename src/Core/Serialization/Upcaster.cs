using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>A step from one version of a message type to a later one.</summary>
internal abstract class Upcaster(Type from, MessageType fromType, Type to, MessageType toType)
{
    public Type From { get; } = from;

    public MessageType FromType { get; } = fromType;

    public Type To { get; } = to;

    public MessageType ToType { get; } = toType;

    public int FromVersion => FromType.Version ?? 1;

    public abstract object Decode(Serializers serializers, Envelope envelope);

    public abstract object Upcast(object message);

    public override string ToString() => $"{From.Name} to {To.Name}";
}

internal sealed class Upcaster<TFrom, TTo>(Func<TFrom, TTo> upcast)
    : Upcaster(typeof(TFrom), MessageType<TFrom>.Instance, typeof(TTo), MessageType<TTo>.Instance)
    where TFrom : notnull
    where TTo : notnull
{
    public override object Decode(Serializers serializers, Envelope envelope) => serializers.Deserialize<TFrom>(envelope);

    public override object Upcast(object message) => upcast((TFrom)message);
}
