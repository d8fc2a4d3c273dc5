using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Transport;

namespace Postrider.Storefront.Tests;

public sealed class AccountingTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider _time = new();
    private readonly Accounting _accounting;

    public AccountingTests()
    {
        _accounting = new(_time);
        _accounting.Open(["billing", "inventory"]);
    }

    public void Dispose() => _accounting.Dispose();

    [Fact]
    public async Task A_run_that_nothing_moves_any_more_ends_and_names_what_is_missing()
    {
        await _accounting.BeginAsync(7, CancellationToken.None);
        _accounting.InputEnded();
        _accounting.DeadLettered("billing", DeadLetter(_accounting.HeadersOf(7)));
        var ending = _accounting.CompleteAsync(Patience, CancellationToken.None);
        Assert.False(ending.IsCompleted);

        _time.Advance(Patience);

        Assert.False(await ending.WaitAsync(Deadline));
        Assert.Equal([0, 1], _accounting.Read().Consumers.Select(consumer => consumer.Outstanding.Count));
        Assert.Equal([7L], _accounting.Read().Consumers[1].Outstanding);
    }

    [Fact]
    public async Task A_slow_input_is_waited_for_however_long_it_takes()
    {
        var ending = _accounting.CompleteAsync(Patience, CancellationToken.None);
        for (var i = 0; i < 5; i++)
        {
            _time.Advance(Patience);
            Assert.False(ending.IsCompleted);
        }

        _accounting.InputEnded();

        Assert.True(await ending.WaitAsync(Deadline));
    }

    [Fact]
    public async Task The_same_copy_twice_is_a_duplicate_and_stands_for_no_other()
    {
        await _accounting.BeginAsync(1, CancellationToken.None);
        await _accounting.BeginAsync(2, CancellationToken.None);

        _accounting.DeadLettered("billing", DeadLetter(_accounting.HeadersOf(1)));
        _accounting.DeadLettered("billing", DeadLetter(_accounting.HeadersOf(1)));

        var billing = _accounting.Read().Consumers[0];
        Assert.Equal((2, 1), (billing.DeadLetters, billing.Duplicates));
        Assert.Equal([2L], billing.Outstanding);
    }

    [Fact]
    public async Task Messages_of_another_run_count_for_nothing()
    {
        using var other = new Accounting(_time);
        await _accounting.BeginAsync(1, CancellationToken.None);

        _accounting.DeadLettered("billing", DeadLetter(other.HeadersOf(1)));
        _accounting.DeadLettered("billing", DeadLetter(Envelope.NoHeaders));

        Assert.Equal([1L], _accounting.Read().Consumers[0].Outstanding);
    }

    private static Envelope DeadLetter(IReadOnlyDictionary<string, string> headers) => new()
    {
        Id = "1",
        Headers = headers,
        DeadLetter = new DeadLetterInfo { Reason = DeadLetterReason.Malformed, Queue = "billing" },
    };
}
