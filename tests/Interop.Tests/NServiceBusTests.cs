using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Interop.Tests;

/// <summary>NServiceBus' headers, by its documentation.</summary>
public sealed class NServiceBusTests
{
    private static readonly Dictionary<string, string> Types = new() { ["Shop.Contracts.OrderPlaced"] = "orders.placed" };

    private static readonly Dictionary<string, string> Example = new()
    {
        ["NServiceBus.MessageId"] = "9f5b1c6e-5a1f-4a3e-8d2a-b1d000c0ffee",
        ["NServiceBus.MessageIntent"] = "Publish",
        ["NServiceBus.CorrelationId"] = "corr",
        ["NServiceBus.ConversationId"] = "conv",
        ["NServiceBus.RelatedTo"] = "cause",
        ["NServiceBus.OriginatingEndpoint"] = "Shop.Web",
        ["NServiceBus.ReplyToAddress"] = "Shop.Web",
        ["NServiceBus.TimeSent"] = "2026-01-02 03:04:05:678901 Z",
        ["NServiceBus.ContentType"] = "application/json",
        ["NServiceBus.EnclosedMessageTypes"] =
            "Shop.Contracts.OrderPlaced, Shop.Contracts, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null;Shop.Contracts.IOrderEvent, Shop.Contracts, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null",
        ["$.diagnostics.originating.hostid"] = "abc",
    };

    [Fact]
    public async Task The_headers_are_the_envelope_and_the_body_stays()
    {
        var seen = await Received.AsSeenAsync(static m => m.ReadNServiceBus(Types), Message(Example) with { Type = "Shop.Contracts.OrderPlaced", CorrelationId = "property" });

        Assert.Equal("""{"number":7}""", seen.Text());
        Assert.Equal(("9f5b1c6e-5a1f-4a3e-8d2a-b1d000c0ffee", "orders.placed", "application/json", "Shop.Web"), (seen.Id, seen.Type, seen.ContentType, seen.Source));
        Assert.Equal(("corr", "cause", "Shop.Web"), (seen.CorrelationId, seen.CausationId, seen.ReplyTo));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, default).AddMicroseconds(901), seen.SentAt);
        Assert.Null(seen.ExpiresAt);
        Assert.Equal(Example.OrderBy(static one => one.Key), seen.Headers.OrderBy(static one => one.Key));
    }

    [Fact]
    public async Task What_is_of_use_for_a_time_expires_that_long_after_it_was_sent() =>
        Assert.Equal(
            new DateTimeOffset(2999, 1, 2, 3, 4, 5, default) + TimeSpan.FromMinutes(1),
            (await Received.AsSeenAsync(
                static m => m.ReadNServiceBus(Types),
                Message(new(Example) { ["NServiceBus.TimeSent"] = "2999-01-02 03:04:05:000000 Z", ["NServiceBus.TimeToBeReceived"] = "00:01:00" }))).ExpiresAt);

    [Theory]
    [InlineData("Shop.Contracts.OrderPlaced", "orders.placed")]
    [InlineData("Shop.Own, Shop; Shop.Contracts.OrderPlaced, Shop.Contracts", "orders.placed")]
    [InlineData("Shop.Unheard, Shop, Version=1.0.0.0", "Shop.Unheard")]
    [InlineData(" ;", null)]
    public async Task The_first_type_that_is_mapped_counts_else_the_first(string enclosed, string? type) =>
        Assert.Equal(type, (await Received.AsSeenAsync(static m => m.ReadNServiceBus(Types), Message(new() { ["NServiceBus.EnclosedMessageTypes"] = enclosed }))).Type);

    [Fact]
    public async Task Others_are_left_alone() =>
        Assert.Equal("carrier", (await Received.AsSeenAsync(static m => m.ReadNServiceBus(Types), Message(new() { ["NServiceBus.MessageId"] = "x" }))).Id);

    /// <summary>Newtonsoft's serializer begins with a byte order mark.</summary>
    private static Envelope Message(Dictionary<string, string> headers) => new()
    {
        Id = "carrier",
        Headers = headers,
        Body = Encoding.UTF8.GetBytes("\uFEFF{\"number\":7}"),
    };
}
