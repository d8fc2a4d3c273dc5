using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>Finds messages in a timeline.</summary>
internal static class Observation
{
    public static Observed<PublishedMessage<TMessage>> Published<TMessage>(Timeline timeline, Func<TMessage, bool>? where, string? condition)
        where TMessage : notnull
    {
        var found = new List<PublishedMessage<TMessage>>();
        foreach (var one in timeline.All<Publishing>())
        {
            if (one is { Message: TMessage message, MessageId: { } id, Status: { } status, Error: null } && where?.Invoke(message) != false)
            {
                found.Add(new(message, id, one.Destination, one.Options, status));
            }
        }

        return new(found, Words<TMessage>("published", condition), timeline.ToString);
    }

    public static Observed<DeliveredMessage<TMessage>> Delivered<TMessage>(
        Timeline timeline, Serializers serializers, string what, Func<Handling, bool> isIt, Func<TMessage, bool>? where, string? condition)
        where TMessage : notnull
    {
        var found = new List<DeliveredMessage<TMessage>>();
        foreach (var one in timeline.All<Handling>())
        {
            if (isIt(one) && IsOf<TMessage>(one.Envelope))
            {
                var delivered = new DeliveredMessage<TMessage>(one, () => serializers.Decode<TMessage>(one.Envelope));
                if (where is null || delivered.Fits(where))
                {
                    found.Add(delivered);
                }
            }
        }

        return new(found, Words<TMessage>(what, condition), timeline.ToString);
    }

    /// <summary>By the stable name. Text and bytes have none: any message is both.</summary>
    private static bool IsOf<TMessage>(Envelope envelope)
        where TMessage : notnull => MessageType<TMessage>.Instance.Name is not { } name || name == envelope.Type;

    private static string Words<TMessage>(string what, string? condition) =>
        condition is null ? $"{what} {typeof(TMessage).Name}" : $"{what} {typeof(TMessage).Name} where {condition}";
}
