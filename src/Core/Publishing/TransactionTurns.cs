using System.Data.Common;
using System.Runtime.CompilerServices;

namespace Postrider.Core.Publishing;

/// <summary>A connection runs one command at a time, so what is published in one transaction takes turns, in its order.</summary>
internal static class TransactionTurns
{
    private static readonly ConditionalWeakTable<DbTransaction, SemaphoreSlim> Turns = [];

    public static SemaphoreSlim Of(DbTransaction transaction) => Turns.GetValue(transaction, static _ => new(1, 1));
}
