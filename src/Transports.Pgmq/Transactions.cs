using Npgsql;

namespace Postrider.Transports.Pgmq;

/// <summary>What Npgsql does not say of a transaction directly.</summary>
internal static class Transactions
{
    /// <summary>Whether it was committed or rolled back, as a whole, or disposed of. Commands would then run outside of it.</summary>
    public static bool HasEnded(this NpgsqlTransaction transaction)
    {
        try
        {
            // A transaction that has ended refuses to tell.
            _ = transaction.IsolationLevel;
            return transaction.Connection is null;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }
}
