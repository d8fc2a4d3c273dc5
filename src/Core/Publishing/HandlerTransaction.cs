using System.Data.Common;

namespace Postrider.Core.Publishing;

/// <summary>The transaction of the handler that is running, for whatever is published below it, however deep in its calls.</summary>
internal sealed class HandlerTransaction
{
    private static readonly AsyncLocal<HandlerTransaction?> Running = new();
    private volatile bool _hasEnded;

    private HandlerTransaction(DbTransaction transaction, string transport) => (Transaction, Transport) = (transaction, transport);

    /// <summary>Null outside of transactional handlers.</summary>
    public static HandlerTransaction? Current => Running.Value;

    public DbTransaction Transaction { get; }

    /// <summary>The name of the transport that began it.</summary>
    public string Transport { get; }

    /// <summary>What is published from now on, by a task that nobody awaited, came too late for it.</summary>
    public bool HasEnded => _hasEnded;

    /// <summary>From here on, until the calling asynchronous method returns.</summary>
    public static HandlerTransaction Begin(DbTransaction transaction, string transport) => Running.Value = new(transaction, transport);

    /// <summary>Ends it when what is being published at the moment has been.</summary>
    public async ValueTask EndAsync()
    {
        var turn = TransactionTurns.Of(Transaction);
        await turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        _hasEnded = true;
        turn.Release();
    }
}
