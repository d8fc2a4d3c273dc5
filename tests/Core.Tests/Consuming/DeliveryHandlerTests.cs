using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>What one delivery comes to, and what is logged and counted of it.</summary>
public sealed class DeliveryHandlerTests : IAsyncDisposable
{
    private readonly ConsumingParts _parts = new();
    private int _runs;

    public DeliveryHandlerTests() => Consume(static () => Outcome.Ack);

    public ValueTask DisposeAsync() => _parts.DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_message_that_comes_again_is_told_and_counted(int redeliveries)
    {
        await HandleAsync(new ScriptedDelivery("7", redeliveries));

        Assert.Equal((1, redeliveries == 0 ? 0 : 1), (_runs, _parts.Counted("postrider.redelivered")));
        Assert.Equal(
            redeliveries == 0 ? [] : [$"The message 7 of 'orders' comes again after {redeliveries} hand-outs without an outcome: a process or connection ended, or a lease."],
            _parts.Logged(29));
    }

    [Fact]
    public async Task A_retry_is_told_with_its_attempt_and_delay()
    {
        Consume(static () => Outcome.Retry(TimeSpan.FromSeconds(7)));

        var settlement = await HandleAsync(new ScriptedDelivery("7", change: static envelope => envelope with { Attempt = 2 }));

        Assert.Equal((SettlementKind.Retry, TimeSpan.FromSeconds(7)), (settlement?.Kind, settlement?.Delay));
        Assert.Equal("The message 7 of 'orders' failed at attempt 2 and is tried again in 00:00:07.", Assert.Single(_parts.Logged(20)));
    }

    [Fact]
    public async Task A_dead_letter_is_told_with_its_reason_and_counts_the_attempt_that_ran()
    {
        Consume(static () => Outcome.DeadLetter("not for us"));

        var settlement = await HandleAsync(new ScriptedDelivery("7", change: static envelope => envelope with { Attempt = 3 }));

        Assert.Equal((DeadLetterReason.Rejected, 3), (settlement?.Info!.Reason, settlement?.Info!.Attempts));
        Assert.Equal("The message 7 of 'orders' goes to the dead-letter queue after attempt 3: rejected, not for us", Assert.Single(_parts.Logged(21)));
    }

    [Fact]
    public async Task What_expired_did_not_run_at_its_last_attempt()
    {
        var settlement = await HandleAsync(new ScriptedDelivery("7", change: envelope => envelope with { Attempt = 2, ExpiresAt = _parts.Time.GetUtcNow() }));

        Assert.Equal((0, DeadLetterReason.Expired, 1), (_runs, settlement?.Info!.Reason, settlement?.Info!.Attempts));
        Assert.Contains("after attempt 2: expired", Assert.Single(_parts.Logged(21)), StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_handed_out_too_often_did_not_run_at_its_last_attempt_either()
    {
        var slot = _parts.Fill(new ScriptedDelivery("7", redeliveries: 4));

        var info = _parts.Handler().GiveUp(slot).Info!;

        Assert.Equal((DeadLetterReason.RedeliveredTooOften, 0, 4), (info.Reason, info.Attempts, info.Redeliveries));
        Assert.Equal("It was handed out 5 times without an outcome; it probably ends the process that handles it.", info.Description);
    }

    [Fact]
    public async Task A_discarded_message_is_told_and_counted()
    {
        _parts.Retry = RetryPolicy.None with { OnExhausted = ExhaustedMessage.Discard };
        Consume(static () => throw new InvalidOperationException("no"));

        var settlement = await HandleAsync(new ScriptedDelivery("7"));

        Assert.Equal((SettlementKind.Ack, 1), (settlement?.Kind, _parts.Counted("postrider.discarded")));
        Assert.Equal("The message 7 of 'orders' is discarded at attempt 1: exhausted, All 1 attempts failed; the last: no", Assert.Single(_parts.Logged(28)));
    }

    [Fact]
    public async Task What_stops_the_queue_is_told_and_goes_back()
    {
        _parts.Retry = RetryPolicy.None with { OnExhausted = ExhaustedMessage.Stop };
        Consume(static () => throw new InvalidOperationException("no"));
        var slot = _parts.Fill(new ScriptedDelivery("7"));

        var settlement = await _parts.Handler().HandleAsync(slot, null);

        Assert.Equal(SettlementKind.Release, settlement?.Kind);
        Assert.StartsWith("The message 7 stops the queue 'orders' at attempt 1, as its RetryPolicy.OnExhausted says.", Assert.Single(_parts.Logged(33)), StringComparison.Ordinal);
        Assert.StartsWith("The message 7 stopped the queue 'orders' at attempt 1.", slot.StopReason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ConsumingParts.MaxBodyBytes, 1, null)]
    [InlineData(ConsumingParts.MaxBodyBytes + 1, 0, "The body has 1025 bytes; the limit is 1024.")]
    public async Task A_body_of_the_limit_is_handled_and_one_byte_more_is_malformed(int bytes, int runs, string? description)
    {
        var settlement = await HandleAsync(new ScriptedDelivery("7", change: envelope => envelope with { Body = new byte[bytes] }));

        Assert.Equal((runs, description), (_runs, settlement?.Info?.Description));
        Assert.Equal(description is null ? null : DeadLetterReason.Malformed, settlement?.Info?.Reason);
    }

    [Fact]
    public void Messages_are_kept_in_order_by_the_key_that_their_consumer_will_see()
    {
        _parts.Decoders.Add(new Rekey());
        var handler = _parts.Handler();

        Assert.Equal("decoded", handler.KeyOf(new ScriptedDelivery("1", change: Keyed)));
        Assert.Equal("own", handler.KeyOf(new ScriptedDelivery("malformed", change: Keyed)));
        Assert.Equal("own", handler.KeyOf(new ScriptedDelivery("1", change: Keyed) { Defect = "damaged" }));
        Assert.Equal("own", handler.KeyOf(new ScriptedDelivery("1", change: static envelope => Keyed(envelope) with { ContentEncoding = "gzip" })));

        static Envelope Keyed(Envelope envelope) => envelope with { Key = "own" };
    }

    private void Consume(Func<Outcome> consume) => _parts.Consume = _ =>
    {
        _runs++;
        return new(consume());
    };

    private ValueTask<Settlement?> HandleAsync(Delivery delivery) => _parts.Handler().HandleAsync(_parts.Fill(delivery), null);

    private sealed class Rekey : IEnvelopeDecoder
    {
        public Envelope? Decode(Envelope envelope) => envelope.Id == "malformed" ? throw new MalformedMessageException("no") : envelope with { Key = "decoded" };
    }
}
